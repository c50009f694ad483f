// Package exporters holds what the formats share; each format is a package of its own
// below it. An exporter takes a CostModel or rows of measurements and writes them as they
// are: it refuses to fit, to correct and to round, to touch devices and to open stores.
package exporters
