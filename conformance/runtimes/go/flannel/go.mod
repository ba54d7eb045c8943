module flatnet/conformance/runtimes/flannel

go 1.25.0

require github.com/flannel-io/flannel v0.28.4

require (
	github.com/avast/retry-go/v4 v4.7.0 // indirect
	github.com/containernetworking/plugins v1.9.1 // indirect
	github.com/go-logr/logr v1.4.3 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/sys v0.43.0 // indirect
	k8s.io/klog/v2 v2.140.0 // indirect
)
