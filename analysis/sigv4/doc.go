// Package sigv4 signs requests to AWS (Signature Version 4) with the identity of the controller, or a role that it may take on.
//
// The signature is the AWS library's. Where the identity comes from is told by the variables that AWS documents: static keys, a profile
// of a credentials file, a web identity (EKS: IAM roles for service accounts), a container endpoint (EKS: pod identity), the instance.
package sigv4
