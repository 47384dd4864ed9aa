//! Dates and times as `to_json` writes them: ISO 8601 with a `T`. No I/O.

use super::put_digits;

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// Days since 2000-01-01, as ISO 8601 with PostgreSQL's words for what that has not: `BC`, `infinity`.
pub(super) fn write_date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => out.extend_from_slice(b"\"infinity\""),
        i32::MIN => out.extend_from_slice(b"\"-infinity\""),
        _ => {
            out.push(b'"');
            let year = write_day(i64::from(days), out);
            out.extend_from_slice(if year <= 0 { b" BC\"" } else { b"\"" });
        }
    }
}

/// Microseconds since 2000-01-01 and what stands for the time zone.
pub(super) fn write_timestamp(microseconds: i64, zone: &str, out: &mut Vec<u8>) {
    match microseconds {
        i64::MAX => out.extend_from_slice(b"\"infinity\""),
        i64::MIN => out.extend_from_slice(b"\"-infinity\""),
        _ => {
            out.push(b'"');
            let year = write_day(microseconds.div_euclid(MICROSECONDS_PER_DAY), out);
            out.push(b'T');
            write_clock(microseconds.rem_euclid(MICROSECONDS_PER_DAY), out);
            out.extend_from_slice(zone.as_bytes());
            out.extend_from_slice(if year <= 0 { b" BC\"" } else { b"\"" });
        }
    }
}

/// Writes `YYYY-MM-DD` of a day counted from 2000-01-01, and returns the year; 0 is 1 BC.
fn write_day(days: i64, out: &mut Vec<u8>) -> i64 {
    // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
    let shifted = days + 730_425;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    put_digits(out, shown.unsigned_abs(), 4);
    out.push(b'-');
    put_digits(out, month.unsigned_abs(), 2);
    out.push(b'-');
    put_digits(out, day.unsigned_abs(), 2);
    year
}

/// Microseconds since midnight.
pub(super) fn write_clock(microseconds: i64, out: &mut Vec<u8>) {
    let microseconds = microseconds.unsigned_abs();
    let (seconds, fraction) = (microseconds / 1_000_000, microseconds % 1_000_000);
    put_digits(out, seconds / 3600, 2);
    out.push(b':');
    put_digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    put_digits(out, seconds % 60, 2);
    if fraction != 0 {
        out.push(b'.');
        put_digits(out, fraction, 6);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}
