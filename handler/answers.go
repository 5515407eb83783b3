package handler

import "sync"

const answersKept = 1000

// answers remembers those given to signed deliveries by their id, for as long as
// the instance lives or until there are too many: a sender that has not got an
// answer sends again. To relay once more would do no harm, but for a flag that
// somebody has changed since.
type answers struct {
	lock sync.Mutex
	byID map[string]response
	ids  []string // in the order of their coming
}

func (a *answers) find(id string) (response, bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	answer, ok := a.byID[id]
	return answer, ok
}

func (a *answers) keep(id string, answer response) {
	if id == "" {
		return
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.byID == nil {
		a.byID = map[string]response{}
	}
	if len(a.ids) == answersKept {
		delete(a.byID, a.ids[0])
		a.ids = a.ids[1:]
	}
	a.byID[id] = answer
	a.ids = append(a.ids, id)
}
