package main

import (
	"context"
	"io"
)

func manVerb(p *program) *verb {
	return &verb{
		name: "man", usage: "print the manual page, for man -l - or a file latlab.1",
		run: func(_ context.Context, s streams) error {
			page, err := p.manPage()
			if err != nil {
				return err
			}
			_, err = io.WriteString(s.out, page)
			return err
		},
	}
}
