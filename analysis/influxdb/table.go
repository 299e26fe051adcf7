package influxdb

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// failure is the column of a table that says why there are no more.
const failure = "error"

// table is where a reader of annotated CSV stands: what the columns of the current table are.
type table struct {
	types, names []string
	value        int
}

// decode reads the column _value of annotated CSV. Each table brings its types and then a line with the names of its columns; a table with a
// column error is the end of a query that failed under way.
func decode(body string) ([]any, error) {
	r := csv.NewReader(strings.NewReader(body))
	r.FieldsPerRecord = -1
	values, t := []any{}, table{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, fmt.Errorf("influxdb answered with something else than a table: %w", err)
		}
		value, is, err := t.read(record)
		if err != nil {
			return nil, err
		}
		if is {
			values = append(values, value)
		}
	}
}

// read takes one line; is says whether it holds a value.
func (t *table) read(record []string) (value any, is bool, err error) {
	switch {
	case record[0] == "#datatype":
		*t = table{types: record}
		return nil, false, nil
	case strings.HasPrefix(record[0], "#"):
		return nil, false, nil
	case t.names == nil:
		return nil, false, t.begin(record)
	}
	if at := slices.Index(t.names, failure); at >= 0 && at < len(record) {
		return nil, false, fmt.Errorf("influxdb could not run the query: %s", record[at])
	}
	if t.value < 0 || t.value >= min(len(record), len(t.types)) {
		return nil, false, errors.New("influxdb answered with a record that has no _value of a known type; let the query keep the column _value")
	}
	value, err = convert(t.types[t.value], record[t.value])
	return value, true, err
}

// begin takes the line with the names of the columns. Only a failure comes without types.
func (t *table) begin(names []string) error {
	if t.types == nil && !slices.Contains(names, failure) {
		return errors.New("influxdb answered with something else than an annotated table")
	}
	t.names, t.value = slices.Clone(names), slices.Index(names, "_value")
	return nil
}

// convert reads a value of a column; one that is empty is null, unless it is a text.
func convert(kind, text string) (any, error) {
	if text == "" && kind != "string" {
		return nil, nil
	}
	switch kind {
	case "double", "long", "unsignedLong":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("influxdb answered with a %s that is not a number", kind)
		}
		return f, nil
	case "boolean":
		return text == "true", nil
	}
	return text, nil
}
