// Package golden holds tests against files that people read: what the code says now, and what it said when somebody last agreed.
package golden
