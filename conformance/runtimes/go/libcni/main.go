// libcni drives plugins through the library that the runtimes link.
//
// It reads one request from stdin, applies its verb to all attachments at once, and prints one answer
// an attachment, in their order. Each run is a process of its own, so that what a later verb knows of
// an earlier one went through the library's cache.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

type request struct {
	// add, check, del, gc, status
	Verb     string          `json:"verb"`
	Conflist json.RawMessage `json:"conflist"`
	Path     []string        `json:"path"`
	CacheDir string          `json:"cacheDir"`

	Attachments []attachment `json:"attachments"`
	// gc: what the runtime still has
	Valid []types.GCAttachment `json:"valid"`
	// check, del: take the configuration, args and capabilities from the cache, as CRI-O does
	Restore bool `json:"restore"`
}

type attachment struct {
	ID           string                 `json:"id"`
	Netns        string                 `json:"netns"`
	IfName       string                 `json:"ifname"`
	Args         [][2]string            `json:"args"`
	Capabilities map[string]interface{} `json:"capabilities"`
}

type answer struct {
	Result       types.Result `json:"result,omitempty"`
	Error        string       `json:"error,omitempty"`
	Code         uint         `json:"code,omitempty"`
	Details      string       `json:"details,omitempty"`
	Milliseconds float64      `json:"milliseconds"`
}

func main() {
	var req request
	if err := json.NewDecoder(os.Stdin).Decode(&req); err != nil {
		fail(err)
	}
	list, err := libcni.NetworkConfFromBytes(req.Conflist)
	if err != nil {
		fail(err)
	}
	cni := libcni.NewCNIConfigWithCacheDir(req.Path, req.CacheDir, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	var answers []answer
	switch req.Verb {
	case "gc":
		answers = []answer{timed(func() (types.Result, error) {
			return nil, cni.GCNetworkList(ctx, list, &libcni.GCArgs{ValidAttachments: req.Valid})
		})}
	case "status":
		answers = []answer{timed(func() (types.Result, error) { return nil, cni.GetStatusNetworkList(ctx, list) })}
	default:
		answers = make([]answer, len(req.Attachments))
		var all sync.WaitGroup
		for i, each := range req.Attachments {
			all.Add(1)
			go func() {
				defer all.Done()
				answers[i] = timed(func() (types.Result, error) { return apply(ctx, cni, req, list, each) })
			}()
		}
		all.Wait()
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fail(err)
	}
}

func apply(ctx context.Context, cni *libcni.CNIConfig, req request, list *libcni.NetworkConfigList, a attachment) (types.Result, error) {
	rt := &libcni.RuntimeConf{ContainerID: a.ID, NetNS: a.Netns, IfName: a.IfName, Args: a.Args, CapabilityArgs: a.Capabilities}
	if req.Restore {
		conf, cached, err := cni.GetNetworkListCachedConfig(list, rt)
		if err != nil {
			return nil, err
		}
		if cached == nil {
			return nil, errors.New("the library has nothing in its cache")
		}
		// The namespace is not cached.
		cached.NetNS = a.Netns
		rt = cached
		if list, err = libcni.NetworkConfFromBytes(conf); err != nil {
			return nil, err
		}
	}
	switch req.Verb {
	case "add":
		return cni.AddNetworkList(ctx, list, rt)
	case "check":
		return nil, cni.CheckNetworkList(ctx, list, rt)
	case "del":
		return nil, cni.DelNetworkList(ctx, list, rt)
	}
	return nil, fmt.Errorf("no such verb: %q", req.Verb)
}

func timed(work func() (types.Result, error)) answer {
	begin := time.Now()
	result, err := work()
	out := answer{Result: result, Milliseconds: float64(time.Since(begin).Microseconds()) / 1000}
	if err != nil {
		out.Error = err.Error()
		var refusal *types.Error
		if errors.As(err, &refusal) {
			out.Code, out.Details = refusal.Code, refusal.Details
		}
	}
	return out
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
