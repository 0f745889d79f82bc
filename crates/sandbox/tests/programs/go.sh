# A module with goroutines, a child process and a test, built without a network.
set -eu
export GOCACHE="$HOME/go-cache" GOPATH="$HOME/go" GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0
cat > go.mod <<'G'
module app
go 1.18
G
cat > main.go <<'G'
package main

import (
	"fmt"
	"os/exec"
	"sync"
)

func Sum(n int) (sum int) {
	var lock sync.Mutex
	var group sync.WaitGroup
	for i := 1; i <= n; i++ {
		group.Add(1)
		go func(i int) { defer group.Done(); lock.Lock(); sum += i; lock.Unlock() }(i)
	}
	group.Wait()
	return
}

func main() {
	out, err := exec.Command("echo", "child").Output()
	fmt.Print(Sum(100), " ", string(out), err, "\n")
}
G
cat > main_test.go <<'G'
package main

import "testing"

func TestSum(t *testing.T) {
	if Sum(4) != 10 {
		t.Fatal("wrong")
	}
}
G
go vet . && go build -o app . && ./app && go test . > /dev/null
