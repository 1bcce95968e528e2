package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// LoadKubeconfig reads one of the contexts of a kubeconfig file, or the
// current one if context is "". The file must be JSON, which kubectl writes,
// and reads just as well as YAML:
//
//	kubectl config view --raw -o json
//
// Names of files in it are relative to its folder, as for kubectl.
//
// What would be needed and is not supported is an error: credentials that a
// program or a plugin makes (exec, auth-provider), passwords, proxies,
// impersonation, and servers whose certificate is not to be verified. The way out is
// `kubectl proxy`, and a [Cluster] with its address.
func LoadKubeconfig(file, context string) (Cluster, error) {
	if file == "" {
		return Cluster{}, errors.New("kubernetes: kubeconfig: no file")
	}
	cluster, err := loadKubeconfig(file, context)
	if err != nil {
		return Cluster{}, fmt.Errorf("kubernetes: kubeconfig %s: %w", file, err)
	}
	return cluster, nil
}

func loadKubeconfig(file, context string) (Cluster, error) {
	text, err := content(nil, file)
	if err != nil {
		return Cluster{}, err
	}
	return parseKubeconfig(text, context, filepath.Dir(file))
}

type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Contexts       []struct {
		Name    string
		Context struct{ Cluster, User, Namespace string }
	}
	Clusters []struct {
		Name    string
		Cluster kubeconfigCluster
	}
	Users []struct {
		Name string
		User kubeconfigUser
	}
}

type kubeconfigCluster struct {
	Server     string
	ServerName string `json:"tls-server-name"`
	CAFile     string `json:"certificate-authority"`
	CA         []byte `json:"certificate-authority-data"`
	Insecure   bool   `json:"insecure-skip-tls-verify"`
	Proxy      string `json:"proxy-url"`
}

type kubeconfigUser struct {
	CertFile  string `json:"client-certificate"`
	Cert      []byte `json:"client-certificate-data"`
	KeyFile   string `json:"client-key"`
	Key       []byte `json:"client-key-data"`
	Token     string
	TokenFile string
	Username  string
	As        string
	Exec      json.RawMessage
	Provider  json.RawMessage `json:"auth-provider"`
}

func parseKubeconfig(text []byte, context, folder string) (Cluster, error) {
	var k kubeconfig
	if err := json.Unmarshal(text, &k); err != nil {
		// The error of package json may quote what it stumbles over.
		return Cluster{}, errors.New("not a kubeconfig in JSON; kubectl config view --raw -o json makes one")
	}
	if context == "" {
		context = k.CurrentContext
	}
	if context == "" {
		return Cluster{}, errors.New("there is no current context; name one")
	}
	for _, c := range k.Contexts {
		if c.Name != context {
			continue
		}
		cluster, err := k.cluster(c.Context.Cluster)
		if err != nil {
			return Cluster{}, err
		}
		user, err := k.user(c.Context.User)
		if err != nil {
			return Cluster{}, err
		}
		within := func(file string) string {
			if file == "" || filepath.IsAbs(file) {
				return file
			}
			return filepath.Join(folder, file)
		}
		token := user.Token
		if user.TokenFile != "" {
			token = "" // as for kubectl, the file is the newer
		}
		return Cluster{
			Server: cluster.Server, ServerName: cluster.ServerName, CA: cluster.CA, CAFile: within(cluster.CAFile),
			Token: token, TokenFile: within(user.TokenFile),
			Cert: user.Cert, CertFile: within(user.CertFile), Key: user.Key, KeyFile: within(user.KeyFile),
			Namespace: c.Context.Namespace,
		}, nil
	}
	return Cluster{}, fmt.Errorf("there is no context %q", context)
}

func (k kubeconfig) cluster(name string) (kubeconfigCluster, error) {
	for _, c := range k.Clusters {
		if c.Name != name {
			continue
		}
		switch {
		case c.Cluster.Insecure:
			return c.Cluster, fmt.Errorf("cluster %q: insecure-skip-tls-verify is not supported; set certificate-authority", name)
		case c.Cluster.Proxy != "":
			return c.Cluster, fmt.Errorf("cluster %q: proxy-url is not supported", name)
		}
		return c.Cluster, nil
	}
	return kubeconfigCluster{}, fmt.Errorf("there is no cluster %q", name)
}

func (k kubeconfig) user(name string) (kubeconfigUser, error) {
	for _, u := range k.Users {
		if u.Name != name {
			continue
		}
		unsupported := ""
		switch {
		case given(u.User.Exec):
			unsupported = "exec"
		case given(u.User.Provider):
			unsupported = "auth-provider"
		case u.User.Username != "":
			unsupported = "username"
		case u.User.As != "":
			unsupported = "as"
		}
		if unsupported != "" {
			return u.User, fmt.Errorf("user %q: %s is not supported; kubectl proxy is a way out", name, unsupported)
		}
		return u.User, nil
	}
	if name == "" { // a server that asks for no credentials
		return kubeconfigUser{}, nil
	}
	return kubeconfigUser{}, fmt.Errorf("there is no user %q", name)
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
