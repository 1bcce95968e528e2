// Package kubernetes follows the endpoints of Services in a Kubernetes
// cluster, through the EndpointSlices of its API server.
//
//	registry := kubernetes.New()
//	defer registry.Close()
//
// In a pod a [Client] needs no settings. It is a [discovery.Watcher]. There is
// no registrar, since announcing copies is what the cluster itself does.
//
// Calls go from pod to pod: past the Service's virtual address and kube-proxy,
// which balance connections and not calls, so that HTTP/2 stays on one pod.
//
// # Names
//
//	orders                     in the default namespace
//	orders.shop                in namespace shop
//	orders.shop:grpc           the port that the Service calls grpc
//	orders.shop:9090           the port at which its pods listen (targetPort)
//	orders.shop.svc            and with whatever the cluster's DNS puts behind
//
// Case does not matter. The default namespace is that of the pod, or what
// [Cluster] or [WithNamespace] says. Without a port it is the one that [WithPort]
// names; or else the one called http, or https, or the Service's first.
// The number of a Service's own port (port) is not in its slices and means
// nothing here. A URL can have numbers only, as in http://orders.shop:9090/; 80
// for http and 443 for https are the same as none.
//
// # Instances
//
// All slices of a Service are merged. An endpoint that is in several, as while
// the controller moves it, counts once: what the slice that was written last
// says.
//
//	ID         UID of the pod, or whatever the targetRef names, or else its name;
//	           without a targetRef, the address
//	Addr       the first address, with the port's number
//	Scheme     "https" or "http" by the port's appProtocol; "https" too if the
//	           port has none and is called https or https-something
//	Zone       zone
//	Metadata   "pod" (name), "node", "hostname", "forZones" and "forNodes"
//	           (hints, comma-separated), as far as they are known
//
// Endpoints that are ready are listed. If none is, those that are terminating
// but still serving are; kube-proxy chooses so too. A condition that is missing
// means ready, serving, and not terminating.
//
// A pod with an IPv4 and an IPv6 address is one instance, and [WithIPv6] says
// which of them it has. Slices of type FQDN are used for endpoints that have
// neither. Ports that are not TCP do not count.
//
// A Service that nobody has heard of is an empty set, as one without endpoints:
// the slices do not tell them apart.
//
// # Rights
//
// The pod's service account must be allowed to list and watch endpointslices
// of API group discovery.k8s.io in the namespaces of the services it calls; a
// Role and a RoleBinding in each, or a ClusterRole for all:
//
//	rules:
//	- apiGroups: ["discovery.k8s.io"]
//	  resources: ["endpointslices"]
//	  verbs: ["list", "watch"]
//
// The folder examples/kubernetes has the whole manifest. A right that is missing
// is an error that says which ([StatusError]). It is tried again, so that the
// right may be granted later.
//
// # How it follows
//
// Each Service that is watched takes one request that stays open, shared by
// all watches of that Service, and ends with the last of them. All requests
// share a connection. One watch of a whole namespace would be one request
// less for each service but the first, and bring every change of every service
// to each of its callers.
//
// A change is seen within milliseconds. The server ends each watch after 5 to
// 10 minutes, and the next goes on where it ended, without a gap. All slices
// are read again when the server has forgotten where that was (410 Gone), when
// an event makes no sense, and about every hour.
//
// # Failures
//
// A watch that breaks off goes on where it was, within a second. Three in a row
// that last less than ten seconds are an error, and the slices are listed again
// instead. A connection that has become silent is noticed by a ping over HTTP/2
// after 15 s, and over plain HTTP/1 by TCP keep-alive, or in the end by the time
// a watch may take.
//
// What fails is tried again after delays that grow up to 30 s, and longer if
// the server says so, and yielded as an error that says for how long the slices
// have not been read. The last set stands meanwhile.
//
// A page of a list may have 64 MiB, an event 8 MiB, and a Service 10000 slices.
//
// # Security
//
// The server's certificate is always verified, and a token is never sent in
// the clear, except to a loopback address. Token and certificates are read again
// for each request, or connection, as the kubelet replaces them; no error and no
// log contains them. Redirects are not followed, and the default transport
// uses no proxy. Outside of a cluster there is [LoadKubeconfig], for files
// in JSON.
package kubernetes
