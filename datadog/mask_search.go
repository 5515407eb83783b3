package datadog

import (
	"iter"
	"strings"
)

// search finds secrets in one text. It indexes the text, which is short, rather
// than the secrets, which may be long: it takes each run of 8 bytes as a number.
type search struct {
	text   string
	secret []bool             // which bytes of the text to mask
	at     map[uint64][]int32 // where in the text a run begins
	maybe  [1 << 10]uint64    // a bit for each hash of a run in the text
}

func newSearch(text string) *search {
	s := &search{text: text, secret: make([]bool, len(text)), at: map[uint64][]int32{}}
	for i, run := range runs(text) {
		s.at[run] = append(s.at[run], int32(i))
		word, bit := hashed(run)
		s.maybe[word] |= bit
	}
	return s
}

// runs yields each run of 8 bytes and where it begins.
func runs(text string) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		var run uint64
		for i := range len(text) {
			run = run<<8 | uint64(text[i])
			if from := i + 1 - shortestRun; from >= 0 && !yield(from, run) {
				return
			}
		}
	}
}

// hashed returns the place of a run's bit: the upper 16 bits of a product.
func hashed(run uint64) (word int, bit uint64) {
	hash := run * 0x9E3779B97F4A7C15 >> 48
	return int(hash >> 6), 1 << (hash & 63)
}

// mark marks what the text has of a form of a secret.
func (s *search) mark(form string) {
	if len(form) < shortestRun {
		s.markWhole(form)
		return
	}
	for _, run := range runs(form) {
		if word, bit := hashed(run); s.maybe[word]&bit == 0 {
			continue
		}
		for _, from := range s.at[run] {
			s.markBytes(int(from), shortestRun)
		}
		delete(s.at, run) // marked once is enough, however often the secret repeats it
	}
}

// markWhole marks a short form wherever the text has all of it.
func (s *search) markWhole(form string) {
	if len(form) < shortestSecret {
		return
	}
	for from := 0; ; from++ {
		next := strings.Index(s.text[from:], form)
		if next < 0 {
			return
		}
		from += next
		s.markBytes(from, len(form))
	}
}

func (s *search) markBytes(from, length int) {
	for i := range length {
		s.secret[from+i] = true
	}
}

// masked returns the text with one "[secret]" for all marked bytes in a row.
func (s *search) masked() string {
	masked := make([]byte, 0, len(s.text))
	for i := range len(s.text) {
		switch {
		case !s.secret[i]:
			masked = append(masked, s.text[i])
		case i == 0 || !s.secret[i-1]:
			masked = append(masked, redacted...)
		}
	}
	return strings.ToValidUTF8(string(masked), "\uFFFD") // a mask may begin inside a character
}
