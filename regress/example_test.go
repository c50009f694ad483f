package regress_test

import (
	"fmt"
	"log"

	"latlab/regress"
)

// A program of one's own loads a cost model that `latlab fit` wrote and predicts networks. The model's file says which
// space it is of.
func Example() {
	m, space, err := regress.Load("testdata/cost.json")
	if err != nil {
		log.Fatal(err)
	}
	a, err := space.ParseArch("0:0:1:1:3:2:0:3:2:1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s on %s, %s: %.3f ms\n", a.ID(), m.Device, m.Kind, 1e3*m.Predict(space, a))

	// For many networks there is a faster form.
	p, err := regress.NewPredictor(m, space)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f ms\n", 1e3*p.Predict(a.Indices))
	// Output:
	// c6892ab797b2 on sim-pixel1-cpu, simulated: 1.548 ms
	// 1.548 ms
}
