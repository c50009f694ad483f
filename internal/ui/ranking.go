package ui

import (
	"fmt"
	"io"
	"slices"
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

// dropCommon removes the folder that all files of a column begin with, and the last part of the end
// that all have, such as -float32.tflite: clipped names must differ. Names of built-in networks stand
// among those of files and have neither; nothing is removed where two names would become the same.
func dropCommon(rows [][]string, column int) {
	isFile := func(row []string) bool { return strings.Contains(row[column], ".") }
	files := slices.DeleteFunc(slices.Clone(rows), func(row []string) bool { return !isFile(row) })
	switch {
	case len(files) == 0:
		files = rows
	case len(files) == 1 && len(rows) > 1: // it has nothing in common with others
		return
	}
	folder, end := commonFolder(files, column), commonEnd(files, column)
	full, short := map[string]string{}, make([]string, len(rows))
	for i, row := range rows {
		name := row[column]
		if len(files) == len(rows) || isFile(row) {
			name = strings.TrimPrefix(name, folder)
			if len(name) > len(end) {
				name = strings.TrimSuffix(name, end)
			}
		}
		if other, is := full[name]; is && other != row[column] {
			return
		}
		full[name], short[i] = row[column], name
	}
	for i, row := range rows {
		row[column] = short[i]
	}
}

func commonFolder(rows [][]string, column int) string {
	folder := rows[0][column]
	for _, row := range rows {
		for !strings.HasPrefix(row[column], folder) {
			folder = folder[:len(folder)-1]
		}
	}
	return folder[:strings.LastIndexByte(folder, '/')+1]
}

// commonEnd is from the last dash, or else the last dot, of what all cells end with.
func commonEnd(rows [][]string, column int) string {
	end := rows[0][column]
	for _, row := range rows {
		for !strings.HasSuffix(row[column], end) {
			end = end[1:]
		}
	}
	part := strings.LastIndexByte(end, '-')
	if part < 0 {
		part = strings.LastIndexByte(end, '.')
	}
	if part < 0 {
		return ""
	}
	return end[part:]
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
