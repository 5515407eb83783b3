// Package contract compares our Datadog client, and the simulator that all other
// tests use, with the API description that Datadog publishes. For each operation in
// the list `used`, its tests check that:
//
//   - the description allows each request that the client can make: its path, its
//     query, its authentication, and each property of its body (TestClient);
//   - the description allows each answer that the simulator gives (TestClient,
//     TestAnswers);
//   - the simulator refuses the bodies that the description refuses, and no others
//     (TestBodies, TestDamagedBodies);
//   - the client's sites are the published ones (TestSites);
//   - another version changes none of this, if one is named (TestUnchanged).
//
// The tables of these tests list the intended differences with their reasons. A
// listed difference that no longer exists fails a test too.
//
// The description is downloaded at a pinned version, as a part of the module in
// which Datadog publishes its Go client. Nothing of that module is compiled. If it
// cannot be downloaded, the tests print SKIPPED TIER to standard output. For tests
// that pass, `go test` shows that only when it runs in this directory and without a
// package argument:
//
//	go test                     all but the last
//	go test -against=v2.66.0    the last too, for that version of the module
package contract
