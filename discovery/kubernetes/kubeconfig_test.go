package kubernetes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/kubernetes"
)

const config = `{
  "kind": "Config", "apiVersion": "v1", "preferences": {}, "current-context": "dev",
  "clusters": [
    {"name": "dev", "cluster": {"server": "https://dev:6443", "certificate-authority": "pki/ca.crt"}},
    {"name": "prod", "cluster": {"server": "https://prod:6443", "certificate-authority-data": "Y2E=", "tls-server-name": "kubernetes"}},
    {"name": "lax", "cluster": {"server": "https://lax:6443", "insecure-skip-tls-verify": true}},
    {"name": "far", "cluster": {"server": "https://far:6443", "proxy-url": "http://proxy"}}
  ],
  "users": [
    {"name": "dev", "user": {"token": "old", "tokenFile": "/run/token"}},
    {"name": "prod", "user": {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}},
    {"name": "files", "user": {"client-certificate": "me.crt", "client-key": "me.key", "token": "secret"}},
    {"name": "cloud", "user": {"exec": {"command": "cloud"}}},
    {"name": "plugin", "user": {"auth-provider": {"name": "x"}}},
    {"name": "basic", "user": {"username": "admin", "password": "secret"}},
    {"name": "other", "user": {"token": "secret", "as": "root"}}
  ],
  "contexts": [
    {"name": "dev", "context": {"cluster": "dev", "user": "dev"}},
    {"name": "prod", "context": {"cluster": "prod", "user": "prod", "namespace": "shop"}},
    {"name": "files", "context": {"cluster": "prod", "user": "files"}},
    {"name": "nobody", "context": {"cluster": "dev", "user": ""}},
    {"name": "lax", "context": {"cluster": "lax", "user": "dev"}},
    {"name": "far", "context": {"cluster": "far", "user": "dev"}},
    {"name": "cloud", "context": {"cluster": "dev", "user": "cloud"}},
    {"name": "plugin", "context": {"cluster": "dev", "user": "plugin"}},
    {"name": "basic", "context": {"cluster": "dev", "user": "basic"}},
    {"name": "other", "context": {"cluster": "dev", "user": "other"}},
    {"name": "lost", "context": {"cluster": "gone", "user": "dev"}},
    {"name": "stranger", "context": {"cluster": "dev", "user": "gone"}}
  ]
}`

func TestLoadKubeconfig(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "config")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	for context, want := range map[string]kubernetes.Cluster{
		"":       {Server: "https://dev:6443", CAFile: filepath.Join(folder, "pki/ca.crt"), TokenFile: "/run/token"},
		"dev":    {Server: "https://dev:6443", CAFile: filepath.Join(folder, "pki/ca.crt"), TokenFile: "/run/token"},
		"nobody": {Server: "https://dev:6443", CAFile: filepath.Join(folder, "pki/ca.crt")},
		"prod":   {Server: "https://prod:6443", CA: []byte("ca"), ServerName: "kubernetes", Cert: []byte("cert"), Key: []byte("key"), Namespace: "shop"},
		"files": {Server: "https://prod:6443", CA: []byte("ca"), ServerName: "kubernetes", Token: "secret",
			CertFile: filepath.Join(folder, "me.crt"), KeyFile: filepath.Join(folder, "me.key")},
	} {
		got, err := kubernetes.LoadKubeconfig(file, context)
		require.NoError(t, err)
		assert.True(t, assert.ObjectsAreEqual(want, got), "context %q", context) // whose texts hide the fields
	}
	for context, want := range map[string]string{
		"lax":      `cluster "lax": insecure-skip-tls-verify is not supported; set certificate-authority`,
		"far":      `cluster "far": proxy-url is not supported`,
		"cloud":    `user "cloud": exec is not supported; kubectl proxy is a way out`,
		"plugin":   `user "plugin": auth-provider is not supported; kubectl proxy is a way out`,
		"basic":    `user "basic": username is not supported; kubectl proxy is a way out`,
		"other":    `user "other": as is not supported; kubectl proxy is a way out`,
		"lost":     `there is no cluster "gone"`,
		"stranger": `there is no user "gone"`,
		"none":     `there is no context "none"`,
	} {
		_, err := kubernetes.LoadKubeconfig(file, context)
		require.EqualError(t, err, "kubernetes: kubeconfig "+file+": "+want)
	}
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(config, `"dev",`, `"",`, 1)), 0o600))
	_, err := kubernetes.LoadKubeconfig(file, "")
	require.EqualError(t, err, "kubernetes: kubeconfig "+file+": there is no current context; name one")
	require.NoError(t, os.WriteFile(file, []byte("users:\n- name: dev\n  user:\n    token: secret\n"), 0o600))
	_, err = kubernetes.LoadKubeconfig(file, "")
	require.EqualError(t, err, "kubernetes: kubeconfig "+file+": not a kubeconfig in JSON; kubectl config view --raw -o json makes one")
	_, err = kubernetes.LoadKubeconfig(filepath.Join(folder, "missing"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = kubernetes.LoadKubeconfig("", "")
	require.EqualError(t, err, "kubernetes: kubeconfig: no file")
}

func FuzzKubeconfig(f *testing.F) {
	f.Add([]byte(config), "prod")
	f.Fuzz(func(t *testing.T, text []byte, context string) {
		file := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(file, text, 0o600))
		_, err := kubernetes.LoadKubeconfig(file, context)
		if err != nil {
			require.ErrorContains(t, err, "kubernetes: kubeconfig ")
		}
	})
}
