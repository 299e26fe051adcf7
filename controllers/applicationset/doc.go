// Package applicationset is the loop of ApplicationSets: look up what the generators ask, generate, compare with the Applications that there are,
// write what differs.
//
// Nothing is created, updated or deleted as long as a question has no answer or something could not be generated.
package applicationset
