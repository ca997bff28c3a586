package saml

import "time"

// parseInstant reads an xs:dateTime as SAML wants it (Core section 1.3.3): a year of four digits,
// a fraction of at most nine, and a time zone, of which there must be one. The result is UTC.
func parseInstant(s string) (time.Time, bool) {
	const shape = "0000-00-00T00:00:00"
	if len(s) <= len(shape) {
		return time.Time{}, false
	}
	for i := range len(shape) {
		if digit := isDigit(s[i]); digit != (shape[i] == '0') || !digit && s[i] != shape[i] {
			return time.Time{}, false
		}
	}
	nanos, rest, ok := parseFraction(s[len(shape):])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := parseZone(rest)
	if !ok {
		return time.Time{}, false
	}
	year, month, day := number(s[0:4]), number(s[5:7]), number(s[8:10])
	hour, minute, second := number(s[11:13]), number(s[14:16]), number(s[17:19])
	if year == 0 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if t.Day() != day || t.Month() != time.Month(month) { // 30 February and the like roll over
		return time.Time{}, false
	}
	return t.Add(-offset), true
}

// parseFraction reads "" or "." and one to nine digits, and returns what follows.
func parseFraction(s string) (nanos int, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	end := 1
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if end == 1 || end > 10 {
		return 0, "", false
	}
	nanos = number(s[1:end])
	for range 10 - end {
		nanos *= 10
	}
	return nanos, s[end:], true
}

// parseZone reads "Z", or "+hh:mm" or "-hh:mm" up to 14 hours.
func parseZone(s string) (time.Duration, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' ||
		!isDigit(s[1]) || !isDigit(s[2]) || !isDigit(s[4]) || !isDigit(s[5]) {
		return 0, false
	}
	hours, minutes := number(s[1:3]), number(s[4:6])
	if minutes > 59 || hours*60+minutes > 14*60 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number reads decimal digits, of which there are at most nine.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// formatInstant writes t as IdPs expect it: UTC, whole seconds.
func formatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
