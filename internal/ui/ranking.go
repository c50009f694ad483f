package ui

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"latlab/bench"
	"latlab/bench/verdict"
)

// tiedMark is in front of a network that is not distinguishable from the next faster one.
const tiedMark = "~"

// Ranking writes ranked networks as a table that fits into the given columns: long names lose the
// folder and the end that all have, and then their middle. MACs, where they are known, have a column from 100
// columns on; what the networks are sorted by always has one.
func Ranking(w io.Writer, ranked []bench.Ranked, by bench.RankOrder, columns int) error {
	rows := rankingRows(ranked, columns >= 100 || by == bench.ByMACs)
	if by == bench.ByIndex {
		rows[0] = append(rows[0], "INDEX")
		for i, r := range ranked {
			rows[i+1] = append(rows[i+1], strconv.Itoa(r.Network.Index))
		}
	}
	FitNames(rows, 1, columns)
	if err := Table(w, rows); err != nil {
		return err
	}
	for _, r := range ranked {
		if r.Tied {
			_, err := fmt.Fprintln(w, tiedMark+" not distinguishable from the next faster network: the intervals overlap")
			return err
		}
	}
	return nil
}

// FitNames makes a table, whose first row is its head, fit into the given columns: long names in one of its
// columns lose the folder and the end that all have, and then their middle.
func FitNames(rows [][]string, name, columns int) {
	room := columns - len("  ")*(len(rows[0])-1)
	for c := range rows[0] {
		if c != name {
			room -= cellWidth(rows, c)
		}
	}
	if cellWidth(rows, name) > room {
		dropCommon(rows[1:], name)
	}
	for _, row := range rows {
		row[name] = Middle(row[name], max(room, 12))
	}
}

// WithoutCommon returns names without the folder and the end that all have.
func WithoutCommon(names []string) []string {
	rows := make([][]string, len(names))
	for i, name := range names {
		rows[i] = []string{name}
	}
	if len(rows) > 0 {
		dropCommon(rows, 0)
	}
	short := make([]string, len(names))
	for i, row := range rows {
		short[i] = row[0]
	}
	return short
}

// dropCommon removes the folder that all cells of a column begin with, and the last part of the end
// that all have, such as -float32.tflite: clipped names must differ.
func dropCommon(rows [][]string, column int) {
	folder, end := rows[0][column], rows[0][column]
	for _, row := range rows {
		for !strings.HasPrefix(row[column], folder) {
			folder = folder[:len(folder)-1]
		}
		for !strings.HasSuffix(row[column], end) {
			end = end[1:]
		}
	}
	folder = folder[:strings.LastIndexByte(folder, '/')+1]
	part := strings.LastIndexByte(end, '-')
	if part < 0 {
		part = strings.LastIndexByte(end, '.')
	}
	end = end[max(part, 0):]
	for _, row := range rows {
		row[column] = strings.TrimPrefix(row[column], folder)
		if part >= 0 && len(row[column]) > len(end) {
			row[column] = strings.TrimSuffix(row[column], end)
		}
	}
}

func cellWidth(rows [][]string, column int) int {
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row[column]))
	}
	return width
}

func rankingRows(ranked []bench.Ranked, wide bool) [][]string {
	var seconds, macs []float64
	last := 1
	for _, r := range ranked {
		seconds = append(seconds, r.M.Seconds)
		if r.Network.MACs != nil {
			macs = append(macs, float64(*r.Network.MACs))
		}
		last = max(last, r.Rank)
	}
	wide = wide && len(macs) > 0
	scale, macScale := SecondsScale(seconds...), CountScale(macs...)
	width := len(strconv.Itoa(last))
	rows := [][]string{{fmt.Sprintf("%*s", width, "#"), "NETWORK", "LATENCY", "INTERVAL", "TIMES", "VERDICT"}}
	if wide {
		rows[0] = append(rows[0], "MACS")
	}
	for _, r := range ranked {
		rank := fmt.Sprintf("%*d", width, r.Rank)
		if r.Tied {
			rank += " " + tiedMark
		}
		row := []string{rank, r.Network.Name, scale.Format(r.M.Seconds), intervalCell(scale, r.M), fmt.Sprintf("%.2fx", r.Times), string(r.M.Verdict)}
		if wide {
			count := ""
			if r.Network.MACs != nil {
				count = macScale.Format(float64(*r.Network.MACs))
			}
			row = append(row, count)
		}
		rows = append(rows, row)
	}
	return rows
}

func intervalCell(scale Scale, m *verdict.Measurement) string {
	switch {
	case m.Low == nil || m.High == nil:
		return "none"
	case *m.Low == *m.High:
		return "no spread"
	}
	return scale.Range(*m.Low, *m.High)
}
