// flannel's own VXLAN backend, with its leases in a file in the place of etcd or the Kubernetes API: what flanneld would
// make of the node, it makes.
//
//	flannel NETWORK SUBNET LINK PEERS
//
// PEERS is a file with a JSON list of the other nodes' leases, {"subnet", "publicIP", "vtepMAC"}, read again on SIGHUP.
// Prints our own lease once the tunnel is there, as JSON, and runs until it is killed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	"github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/lease"
	"github.com/flannel-io/flannel/pkg/subnet"
)

type peer struct {
	Subnet   string `json:"subnet"`
	PublicIP string `json:"publicIP"`
	VtepMAC  string `json:"vtepMAC"`
}

// leases is a subnet.Manager whose leases are ours and those of a file.
type leases struct {
	config *subnet.Config
	own    ip.IP4Net
	peers  string
	known  []lease.Lease
}

func (l *leases) Name() string { return "file" }

func (l *leases) GetNetworkConfig(context.Context) (*subnet.Config, error) { return l.config, nil }

func (l *leases) HandleSubnetFile(string, *subnet.Config, bool, ip.IP4Net, ip.IP6Net, int) error {
	return nil
}

func (l *leases) GetStoredMacAddresses(context.Context) (string, string) { return "", "" }

func (l *leases) GetStoredPublicIP(context.Context) (string, string) { return "", "" }

func (l *leases) RenewLease(context.Context, *lease.Lease) error { return nil }

func (l *leases) CompleteLease(context.Context, *lease.Lease, *sync.WaitGroup) error { return nil }

func (l *leases) WatchLease(ctx context.Context, _ ip.IP4Net, _ ip.IP6Net, _ chan []lease.LeaseWatchResult) error {
	<-ctx.Done()
	return ctx.Err()
}

func (l *leases) AcquireLease(_ context.Context, attrs *lease.LeaseAttrs) (*lease.Lease, error) {
	var data struct{ VtepMAC string }
	if err := json.Unmarshal(attrs.BackendData, &data); err != nil {
		return nil, err
	}
	announce, err := json.Marshal(peer{l.own.String(), attrs.PublicIP.String(), data.VtepMAC})
	if err != nil {
		return nil, err
	}
	fmt.Println(string(announce))
	return &lease.Lease{EnableIPv4: true, Subnet: l.own, Attrs: *attrs}, nil
}

func (l *leases) WatchLeases(_ context.Context, receiver chan []lease.LeaseWatchResult) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	for {
		events, err := l.changes()
		if err != nil {
			return err
		}
		receiver <- []lease.LeaseWatchResult{{Events: events}}
		<-again
	}
}

// changes reads the file: who is new or differs, and who left.
func (l *leases) changes() ([]lease.Event, error) {
	text, err := os.ReadFile(l.peers)
	if err != nil {
		return nil, err
	}
	var peers []peer
	if err := json.Unmarshal(text, &peers); err != nil {
		return nil, err
	}
	events := []lease.Event{}
	stays := map[string]bool{}
	var now []lease.Lease
	for _, p := range peers {
		one, err := p.lease()
		if err != nil {
			return nil, err
		}
		stays[one.Subnet.String()] = true
		now = append(now, one)
		events = append(events, lease.Event{Type: lease.EventAdded, Lease: one})
	}
	for _, one := range l.known {
		if !stays[one.Subnet.String()] {
			events = append(events, lease.Event{Type: lease.EventRemoved, Lease: one})
		}
	}
	l.known = now
	return events, nil
}

func (p peer) lease() (lease.Lease, error) {
	_, prefix, err := net.ParseCIDR(p.Subnet)
	if err != nil {
		return lease.Lease{}, err
	}
	data, err := json.Marshal(map[string]any{"VNI": 1, "VtepMAC": p.VtepMAC})
	return lease.Lease{
		EnableIPv4: true,
		Subnet:     ip.FromIPNet(prefix),
		Attrs: lease.LeaseAttrs{
			PublicIP:    ip.FromIP(net.ParseIP(p.PublicIP)),
			BackendType: "vxlan",
			BackendData: data,
		},
	}, err
}

func run(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("usage: flannel NETWORK SUBNET LINK PEERS")
	}
	_, network, err := net.ParseCIDR(args[1])
	if err != nil {
		return err
	}
	_, own, err := net.ParseCIDR(args[2])
	if err != nil {
		return err
	}
	link, err := net.InterfaceByName(args[3])
	if err != nil {
		return err
	}
	addresses, err := ip.GetInterfaceIP4Addrs(link)
	if err != nil {
		return err
	}
	external := &backend.ExternalInterface{
		Iface: link, IfaceName: link.Name, IfaceAddr: addresses[0], ExtAddr: addresses[0],
	}
	config := &subnet.Config{
		EnableIPv4: true, Network: ip.FromIPNet(network), BackendType: "vxlan", Backend: json.RawMessage(`{"Type":"vxlan"}`),
	}
	manager := &leases{config: config, own: ip.FromIPNet(own), peers: args[4]}
	ctx := context.Background()
	made, err := vxlan.New(manager, external)
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	running, err := made.RegisterNetwork(ctx, &wait, config)
	if err != nil {
		return err
	}
	running.Run(ctx)
	return nil
}

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
