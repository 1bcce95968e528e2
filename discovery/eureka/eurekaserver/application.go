package eurekaserver

import (
	"slices"
	"strings"
)

// An application is the leases of one name, and the list of its instances.
type application struct {
	name   string
	leases map[string]*lease
	shown  []*record // by id
	frozen bool      // a snapshot has shown too: replace it, do not change it
}

// A section is an application in a document: immutable.
type section struct {
	name    string
	records []*record // by id
}

// freeze returns the application as it is now.
func (a *application) freeze() section {
	a.frozen = true
	return section{a.name, a.shown}
}

// show puts a record into the list, in place of an older one of the same id.
func (a *application) show(rec *record) {
	i, found := a.find(rec.id)
	a.thaw()
	if found {
		a.shown[i] = rec
	} else {
		a.shown = slices.Insert(a.shown, i, rec)
	}
}

// hide takes the record of an id out of the list.
func (a *application) hide(id string) {
	if i, found := a.find(id); found {
		a.thaw()
		a.shown = slices.Delete(a.shown, i, i+1)
	}
}

func (a *application) find(id string) (int, bool) {
	return slices.BinarySearchFunc(a.shown, id, func(r *record, id string) int { return strings.Compare(r.id, id) })
}

func (a *application) thaw() {
	if a.frozen {
		a.shown, a.frozen = slices.Clone(a.shown), false
	}
}
