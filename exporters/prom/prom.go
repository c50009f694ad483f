// Package prom turns a lab's sweeps and cost models into Prometheus metrics: for scrapes, as a
// push, and as OpenMetrics text of past sweeps to back-fill a database.
//
// Metrics lists them all. Times are seconds, temperatures celsius, shares ratios; unknown values
// have no series. The package does not serve the metrics (exporters/web does), touches no
// devices and opens no stores: it takes a bench.Reader.
package prom
