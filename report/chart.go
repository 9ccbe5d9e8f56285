package report

import (
	"fmt"
	"html"
	"strings"

	"writ/tlog/verify"
)

// The chart's measures, in the units of its viewBox.
const (
	chartHeight = 220.0
	barWidth    = 26.0
	groupWidth  = 96.0
	chartLeft   = 46.0
	chartTop    = 16.0
	chartBottom = 34.0
)

// Chart draws the requests of a jurisdiction (verify.All: everywhere), and those with some data produced, by half-year as an SVG
// that a page can hold inline: no script, no style, no font; it takes the colour of the text around it, so it fits light and dark, and has classes for a style sheet.
// Reports are drawn in the order given. The numbers stand in the drawing and, for screen readers, in its description.
func Chart(reports []verify.Report, jurisdiction string) []byte {
	rows := make([]verify.Row, len(reports))
	most := 1
	for i, r := range reports {
		for _, row := range r.Rows {
			if row.Service == verify.All && row.Jurisdiction == jurisdiction {
				rows[i] = row
			}
		}
		most = max(most, rows[i].Requests)
	}
	top := roundUp(most)
	width := chartLeft + groupWidth*float64(max(1, len(reports))) + 10
	plot := chartHeight - chartTop - chartBottom
	y := func(n int) float64 { return chartTop + plot*(1-float64(n)/float64(top)) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-labelledby="chart-title chart-desc" font-size="12" fill="currentColor">`, width, chartHeight, width, chartHeight)
	fmt.Fprintf(&b, `<title id="chart-title">Requests by half-year, %s</title><desc id="chart-desc">%s</desc>`, html.EscapeString(jurisdiction), html.EscapeString(describe(reports, rows)))
	for _, n := range []int{0, top / 2, top} {
		fmt.Fprintf(&b, `<line class="axis" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" stroke="currentColor" stroke-opacity="0.2"/><text x="%.0f" y="%.1f" text-anchor="end">%d</text>`,
			chartLeft, width-10, y(n), y(n), chartLeft-6, y(n)+4, n)
	}
	for i, r := range reports {
		x := chartLeft + groupWidth*float64(i) + (groupWidth-2*barWidth)/2
		bar(&b, x, y(rows[i].Requests), y(0), rows[i].Requests, "bar", "0.4")
		bar(&b, x+barWidth, y(rows[i].Productive), y(0), rows[i].Productive, "bar some", "1")
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x+barWidth, chartHeight-14, html.EscapeString(r.Period))
	}
	b.WriteString(`</svg>`)
	return []byte(b.String())
}

// bar draws one bar and its number. The class lets a page colour it; without one the opacity tells the two kinds apart.
func bar(b *strings.Builder, x, top, bottom float64, n int, class, opacity string) {
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill-opacity="%s"/>`, class, x, top, barWidth-2, bottom-top, opacity)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>`, x+barWidth/2-1, top-3, n)
}

func describe(reports []verify.Report, rows []verify.Row) string {
	var parts []string
	for i, r := range reports {
		parts = append(parts, fmt.Sprintf("%s: %d requests, %d with some data produced", r.Period, rows[i].Requests, rows[i].Productive))
	}
	if len(parts) == 0 {
		return "No report yet."
	}
	return strings.Join(parts, "; ") + ". The left bar of each pair is requests, the right one those with some data."
}

// roundUp gives an even round number of at least n for the top of the scale.
func roundUp(n int) int {
	for step := 2; ; step *= 10 {
		for _, m := range []int{1, 2, 5} {
			if t := step * m; t >= n {
				return t
			}
		}
	}
}
