//go:build tools

// Package tools names the program that the tests of discovery/kubernetes run: a real Kubernetes API server.
// It is used for tests alone and never shipped. Kubernetes is licensed under Apache-2.0.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
