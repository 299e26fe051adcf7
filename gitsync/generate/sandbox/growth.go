package sandbox

import (
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// growth foretells what a function costs whose result, or whose work, can be much larger than its arguments.
var growth = map[string]func(args []any) int{
	"repeat":    func(a []any) int { return times(number(a[0]), size(a[1])) },
	"indent":    indented,
	"nindent":   indented,
	"until":     func(a []any) int { return times(max(number(a[0]), -number(a[0])), nodeWeight) },
	"untilStep": func(a []any) int { return stepped(number(a[0]), number(a[1]), number(a[2])) },
	"seq":       sequence,
	"replace": func(a []any) int {
		return plus(size(a[2]), times(strings.Count(a[2].(string), a[0].(string)), size(a[1])))
	},
	"join":     func(a []any) int { return plus(weigh(a[1]), times(length(a[1]), size(a[0]))) },
	"wrapWith": func(a []any) int { return plus(size(a[2]), times(size(a[2])+1, size(a[1]))) },
	"trimAll":  func(a []any) int { return times(size(a[0]), size(a[1])) / stepWeight },
	"trimall":  func(a []any) int { return times(size(a[0]), size(a[1])) / stepWeight },

	"uniq":        func(a []any) int { return times(length(a[0]), length(a[0])) / nodeWeight },
	"mustUniq":    func(a []any) int { return times(length(a[0]), length(a[0])) / nodeWeight },
	"without":     func(a []any) int { return times(length(a[0]), length(a[1])) / nodeWeight },
	"mustWithout": func(a []any) int { return times(length(a[0]), length(a[1])) / nodeWeight },

	"toYaml":           written,
	"toPrettyJson":     written,
	"mustToPrettyJson": written,
	"printf":           formatted,

	"regexMatch": searched, "mustRegexMatch": searched, "regexFind": searched, "mustRegexFind": searched,
	"regexFindAll": searched, "mustRegexFindAll": searched, "regexSplit": searched, "mustRegexSplit": searched,
	"regexReplaceAll": replaced, "mustRegexReplaceAll": replaced,
	"regexReplaceAllLiteral": replaced, "mustRegexReplaceAllLiteral": replaced,
}

// times and plus stop at the largest number instead of turning negative.
func times(a, b int) int {
	if a > 0 && b > math.MaxInt/a {
		return math.MaxInt
	}
	return a * b
}

func plus(a, b int) int {
	if b > math.MaxInt-a {
		return math.MaxInt
	}
	return a + b
}

func number(value any) int { return value.(int) }

func size(value any) int { return len(value.(string)) }

// length is the number of items of a list; 0 for anything else.
func length(value any) int {
	if v := reflect.ValueOf(value); v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		return v.Len()
	}
	return 0
}

func indented(a []any) int {
	return plus(size(a[1]), times(max(number(a[0]), 0), strings.Count(a[1].(string), "\n")+1))
}

func stepped(from, to, step int) int {
	if step == 0 {
		return 0
	}
	count := (float64(to) - float64(from)) / float64(step)
	if count > maxGrowth {
		return math.MaxInt
	}
	return times(max(int(count), 0), nodeWeight)
}

// sequence reads the arguments of seq: the last number, the first and the last, or the first, the step and the last.
func sequence(a []any) int {
	n := a[0].([]int)
	switch len(n) {
	case 1:
		return max(stepped(1, n[0], 1), stepped(1, n[0], -1))
	case 2:
		return max(stepped(n[0], n[1], 1), stepped(n[0], n[1], -1))
	case 3:
		return stepped(n[0], n[2], n[1])
	}
	return 0
}

// written is for formats that indent: the deeper a value, the more spaces stand before it.
func written(a []any) int {
	weight := weigh(a[0])
	return plus(2*weight, times(2*weight/nodeWeight, depth(reflect.ValueOf(a[0]))))
}

var formatNumber = regexp.MustCompile(`[0-9]+`)

// formatted is for printf, where a short format can ask for wide fields or for the same argument many times.
func formatted(a []any) int {
	format := a[0].(string)
	weight := weigh(a[1])
	if strings.Contains(format, "*") {
		return math.MaxInt
	}
	if strings.Contains(format, "[") {
		weight = times(weight, strings.Count(format, "%"))
	}
	for _, digits := range formatNumber.FindAllString(format, -1) {
		width, err := strconv.Atoi(digits)
		if err != nil {
			return math.MaxInt
		}
		weight = plus(weight, width)
	}
	return plus(weight, len(format))
}

// searched is the work of a regular expression: its length, with room for its repetitions, times that of the text.
func searched(a []any) int {
	expression := size(a[0])
	if strings.Contains(a[0].(string), "{") {
		expression = times(expression, 200)
	}
	return times(expression+1, size(a[1])) / (4 * stepWeight)
}

func replaced(a []any) int {
	return max(searched(a), plus(size(a[1]), times(2*(size(a[1])+1), size(a[2]))))
}
