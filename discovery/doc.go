// Package discovery says who runs where: it follows the copies of services in
// a registry, and announces copies to one.
//
// A [Watcher] is the read side and a [Registrar] the write side. The folders
// beside this package talk to registries; here are the contracts, and what
// works over any registry:
//
//   - [Static] holds fixed sets, [Memory] a whole registry in memory.
//   - [Poll] makes a Watcher of a function that asks once.
//   - [Merge] makes several registries one, [ByAddr] has them agree on which
//     copies are the same, and [Fallback] uses the first that knows any copy.
//   - [Share] watches once for many readers.
//   - [Snapshot] keeps the last sets on disk, for processes that start while
//     the registry is down.
//
// This package knows nothing of balancing, nor of HTTP.
//
// # Watching
//
// A watch is a sequence to range over. It yields the whole set of a service's
// copies as soon as it is known, and the whole set again after every change,
// so that a reader never has to put differences together, and cannot drift
// from the truth by missing one. It goes on until its context is done or its
// reader breaks off, and has released everything by then. Where changes come
// faster than they are read, the reader gets the latest set.
//
// The order of a set means nothing. What tells copies apart is [Instance.Key].
// Sets are shared among readers and must not be modified.
//
// # Errors
//
// An error is news, not the end: the registry could not be asked, or its
// answer made no sense. The last set stands, because copies do not stop when
// their registry does, and the sequence goes on. Watchers pace their attempts;
// a reader just keeps ranging. The error stands until the next set, which a
// watcher that has recovered yields even if nothing in it has changed. Three
// cases deserve a word:
//
//   - A registry that says that there is no such service makes an error that
//     wraps [ErrUnknownService]. The watch goes on: the service may come.
//   - An instance that is invalid, or has another's key, is left out, so that
//     one bad registration does not hide the others. An error that names it
//     follows the set, or takes its place if nothing is left. Registries that
//     hold copies never meant to be called, such as Eureka's, leave those out
//     without an error.
//   - The end of the watch's own context is no error. The sequence just ends.
//
// # Empty, unknown, not yet known
//
// An empty set is an answer: the service has no copies now. A reader that has
// seen nothing yet knows less than that, and had better wait. So a watcher
// never yields an empty set because it failed, or because it has not asked
// yet, and [Merge] and [Fallback] yield none at first before all their
// watchers have said something.
//
// # Writing a watcher
//
// If the registry can be asked, write a [Lookup] and leave the rest to [Poll]:
// pace, jitter, timeouts, backoff, cleaning and comparing sets. If it pushes,
// write the loop; the example of [WatcherFunc] is all there is to it. Three
// things are easily forgotten:
//
//   - Do nothing before the function is ranged over, and nothing after yield
//     has returned false; a defer at its top releases what it holds.
//   - Clean each set with [CleanSet], and yield none that equals the last,
//     unless an error came in between.
//   - After an error, wait before the next attempt, and wait on the context too.
//
// Package discoverytest checks all that and more, and takes a few lines to
// run; see also [Registrar] for the other side.
//
// # Testing code that uses a watcher
//
// [Static] is enough for code that only needs addresses. [Memory] plays a
// registry whose sets change with [Memory.Set], and that fails and recovers
// with [Memory.Fail]. Neither needs a port, a file or a wait, and both run in
// a bubble of testing/synctest.
package discovery
