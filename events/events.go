// Package events holds a sample of each event that the function knows, as it
// arrives: what the tests, the local run and `sam local invoke -e` are fed.
package events

import "embed"

// Files are the samples, by file name.
//
//go:embed *.json
var Files embed.FS
