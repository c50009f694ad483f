// Package prom turns what a lab knows into Prometheus metrics: live, as a push, and as
// OpenMetrics text of old sweeps for a database's back-fill.
//
// Metrics names them all. Times are seconds, temperatures celsius, shares ratios; what is not
// known has no series. The package refuses to serve them (exporters/web does), to touch
// devices and to open stores: it takes a bench.Reader and the state that it is given.
package prom
