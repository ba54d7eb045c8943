// cri asks containerd for pods as a kubelet does, through its CRI socket.
//
// It reads one request from stdin, applies its verb to all pods at once, and prints one answer a pod,
// in their order.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type request struct {
	Socket string `json:"socket"`
	// ready, run, exec, stop, remove, list
	Verb string `json:"verb"`
	Pods []pod  `json:"pods"`
}

type pod struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Ports   []port   `json:"ports"`
	// exec, stop, remove: what run answered
	Sandbox   string `json:"sandbox"`
	Container string `json:"container"`
}

type port struct {
	HostPort      int32  `json:"hostPort"`
	ContainerPort int32  `json:"containerPort"`
	Protocol      string `json:"protocol"`
	HostIP        string `json:"hostIP"`
}

type answer struct {
	Sandbox   string   `json:"sandbox,omitempty"`
	Container string   `json:"container,omitempty"`
	IPs       []string `json:"ips,omitempty"`
	Netns     string   `json:"netns,omitempty"`
	Output    string   `json:"output,omitempty"`
	Exit      int32    `json:"exit"`
	Error     string   `json:"error,omitempty"`
}

func main() {
	var req request
	if err := json.NewDecoder(os.Stdin).Decode(&req); err != nil {
		fail(err)
	}
	conn, err := grpc.NewClient("unix://"+req.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fail(err)
	}
	defer conn.Close()
	runtime := cri.NewRuntimeServiceClient(conn)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	answers := make([]answer, len(req.Pods))
	var all sync.WaitGroup
	for i, each := range req.Pods {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := apply(ctx, runtime, req.Verb, each, &answers[i]); err != nil {
				answers[i].Error = err.Error()
			}
		}()
	}
	all.Wait()
	switch req.Verb {
	case "ready":
		answers = []answer{ready(ctx, runtime)}
	case "list":
		answers = list(ctx, runtime)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fail(err)
	}
}

func apply(ctx context.Context, runtime cri.RuntimeServiceClient, verb string, p pod, out *answer) error {
	switch verb {
	case "run":
		return run(ctx, runtime, p, out)
	case "exec":
		reply, err := runtime.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: p.Container, Cmd: p.Command, Timeout: 20})
		if err != nil {
			return err
		}
		out.Output, out.Exit = string(reply.Stdout)+string(reply.Stderr), reply.ExitCode
		return nil
	case "stop":
		_, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.Sandbox})
		return err
	case "remove":
		_, err := runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.Sandbox})
		return err
	}
	return nil
}

// run starts the sandbox and one container in it. What was made before an error is in the answer.
func run(ctx context.Context, runtime cri.RuntimeServiceClient, p pod, out *answer) error {
	sandbox := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: p.Name, Namespace: "default", Uid: "uid-" + p.Name},
		Hostname: p.Name,
		Linux:    &cri.LinuxPodSandboxConfig{CgroupParent: "/flatnet-conformance"},
	}
	for _, each := range p.Ports {
		sandbox.PortMappings = append(sandbox.PortMappings, &cri.PortMapping{
			Protocol:      cri.Protocol(cri.Protocol_value[each.Protocol]),
			HostPort:      each.HostPort,
			ContainerPort: each.ContainerPort,
			HostIp:        each.HostIP,
		})
	}
	started, err := runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandbox})
	if err != nil {
		return err
	}
	out.Sandbox = started.PodSandboxId
	status, err := runtime.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: out.Sandbox, Verbose: true})
	if err != nil {
		return err
	}
	out.IPs = append(out.IPs, status.Status.Network.Ip)
	for _, more := range status.Status.Network.AdditionalIps {
		out.IPs = append(out.IPs, more.Ip)
	}
	out.Netns = netnsOf(status.Info["info"])

	created, err := runtime.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId:  out.Sandbox,
		SandboxConfig: sandbox,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: "main"},
			Image:    &cri.ImageSpec{Image: p.Image},
			Command:  p.Command,
			Linux:    &cri.LinuxContainerConfig{},
		},
	})
	if err != nil {
		return err
	}
	out.Container = created.ContainerId
	_, err = runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: out.Container})
	return err
}

// netnsOf finds the path of the pod's namespace in containerd's verbose status.
func netnsOf(info string) string {
	var verbose struct {
		RuntimeSpec struct {
			Linux struct {
				Namespaces []struct{ Type, Path string }
			}
		}
	}
	if json.Unmarshal([]byte(info), &verbose) != nil {
		return ""
	}
	for _, each := range verbose.RuntimeSpec.Linux.Namespaces {
		if each.Type == "network" {
			return each.Path
		}
	}
	return ""
}

func ready(ctx context.Context, runtime cri.RuntimeServiceClient) answer {
	reply, err := runtime.Status(ctx, &cri.StatusRequest{})
	if err != nil {
		return answer{Error: err.Error()}
	}
	for _, condition := range reply.Status.Conditions {
		if !condition.Status {
			return answer{Error: condition.Type + ": " + condition.Message}
		}
	}
	return answer{}
}

func list(ctx context.Context, runtime cri.RuntimeServiceClient) []answer {
	reply, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return []answer{{Error: err.Error()}}
	}
	sandboxes := []answer{}
	for _, each := range reply.Items {
		sandboxes = append(sandboxes, answer{Sandbox: each.Id})
	}
	return sandboxes
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
