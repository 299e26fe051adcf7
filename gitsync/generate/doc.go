// Package generate turns an ApplicationSet into the Applications that there should be, and says what is to be done about those that there
// are.
//
// Everything is pure. Generate renders one Application for each set of parameters that the generators find. What they must look up (the
// tree of a commit, the content of a file, the repositories of an organisation) is a Question; as long as one of them has no Answer,
// Generate returns the questions and no Application, and the caller answers them and asks again. Decide compares the result with the
// Applications that exist, and Roll says which of them may be synced now. An error never deletes anything, and neither does a result
// without any Application.
//
// Templates are untrusted: their output, their memory and the number of steps they take are bounded, and functions that give another
// result each time, or that look at the machine, are refused.
package generate
