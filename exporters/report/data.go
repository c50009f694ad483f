// Package report makes a page, a model card and pictures of sweeps and cost models.
package report
