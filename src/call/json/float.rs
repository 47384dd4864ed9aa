//! Floats as PostgreSQL writes them: the shortest digits that read back as the same number. No I/O.

use std::io::Write as _;

use super::put;

/// A `real`.
pub(super) fn write_float4(value: f32, out: &mut Vec<u8>) {
    if write_special(f64::from(value), out) {
        return;
    }
    let bits = value.to_bits();
    let exact = Dyadic::new(u64::from(bits & 0x007f_ffff), (bits >> 23 & 0xff).cast_signed(), 23, 127);
    let mut digits = Digits::new(format_args!("{value:e}"));
    if exact.doubts(&digits) {
        let is_right =
            |digits: &Digits| digits.text().parse() == Ok(value) && !exact.is_half_way_to_a_neighbour(digits);
        digits = digits.settle(is_right, |precision| Digits::new(format_args!("{value:.precision$e}")));
    }
    digits.write(6, out);
}

/// A `double precision`.
pub(super) fn write_float8(value: f64, out: &mut Vec<u8>) {
    if write_special(value, out) {
        return;
    }
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default();
    let exact = Dyadic::new(bits & 0x000f_ffff_ffff_ffff, exponent, 52, 1023);
    let mut digits = Digits::new(format_args!("{value:e}"));
    if exact.doubts(&digits) {
        let is_right =
            |digits: &Digits| digits.text().parse() == Ok(value) && !exact.is_half_way_to_a_neighbour(digits);
        digits = digits.settle(is_right, |precision| Digits::new(format_args!("{value:.precision$e}")));
    }
    digits.write(15, out);
}

/// What JSON has no number for.
fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    let word: &[u8] = match value {
        _ if value.is_nan() => b"\"NaN\"",
        f64::INFINITY => b"\"Infinity\"",
        f64::NEG_INFINITY => b"\"-Infinity\"",
        _ => return false,
    };
    out.extend_from_slice(word);
    true
}

/// What a float is exactly: `mantissa * 2^power`.
///
/// Rust and PostgreSQL both write the shortest digits that read back as the same float, and differ in two rare cases.
/// Digits exactly half-way between two floats are enough for Rust if they are read as this one; PostgreSQL writes more
/// (1e23 is 9.999999999999999e+22). And where two strings of digits are equally near, PostgreSQL takes the even one.
struct Dyadic {
    mantissa: u64,
    power: i32,
    /// Below a power of two the next float is only half as far.
    lower_is_nearer: bool,
}

impl Dyadic {
    fn new(fraction: u64, exponent: i32, width: i32, bias: i32) -> Self {
        match exponent {
            0 => Self { mantissa: fraction, power: 1 - bias - width, lower_is_nearer: false },
            _ => Self {
                mantissa: fraction | 1 << width,
                power: exponent - bias - width,
                lower_is_nearer: fraction == 0 && exponent > 1,
            },
        }
    }

    /// Whether Rust's digits may be one of the two cases: both need a number that has few binary digits, and digits
    /// that are not exactly it.
    fn doubts(&self, digits: &Digits) -> bool {
        let twos = self.mantissa.trailing_zeros();
        let (odd, power) = (u128::from(self.mantissa.checked_shr(twos).unwrap_or(0)), self.power + twos.cast_signed());
        // 5^27 has more digits than a float needs.
        power > -27 && odd != 0 && digits.as_power_of_two() != Some((odd, power))
    }

    fn is_half_way_to_a_neighbour(&self, digits: &Digits) -> bool {
        let Some((odd, power)) = digits.as_power_of_two() else { return false };
        let mantissa = u128::from(self.mantissa);
        (power == self.power - 1 && (odd == 2 * mantissa + 1 || odd + 1 == 2 * mantissa))
            || (self.lower_is_nearer && power == self.power - 2 && odd + 1 == 4 * mantissa)
    }
}

/// A float in scientific notation: `-d.ddde-x`.
struct Digits {
    text: [u8; 48],
    len: usize,
}

impl Digits {
    fn new(number: std::fmt::Arguments<'_>) -> Self {
        let mut text = [0; 48];
        let mut rest = &mut text[..];
        // The longest, -1.7976931348623157e-308, has 24 bytes.
        let _ = rest.write_fmt(number);
        let left = rest.len();
        Self { text, len: text.len() - left }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }

    /// What PostgreSQL writes instead of these, the shortest digits that Rust found: as many, rounded to the even one
    /// where two are equally near; else these; else the first longer ones that leave no doubt.
    fn settle(self, is_right: impl Fn(&Self) -> bool, rounded: impl Fn(usize) -> Self) -> Self {
        let (_, _, fraction, _) = self.parts();
        let after_point = fraction.len();
        let even = rounded(after_point);
        if is_right(&even) {
            return even;
        }
        if is_right(&self) {
            return self;
        }
        (after_point + 1..20).map(rounded).find(is_right).unwrap_or(self)
    }

    /// Sign, digits before and after the point, exponent.
    fn parts(&self) -> (bool, &str, &str, i32) {
        let text = self.text();
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        (negative, first, fraction, exponent.parse().unwrap_or(0))
    }

    /// The absolute value as an odd number times a power of two, if it is one that a float can come near to.
    fn as_power_of_two(&self) -> Option<(u128, i32)> {
        let (_, first, fraction, exponent) = self.parts();
        let digits = first.bytes().chain(fraction.bytes());
        let number = digits.fold(0_u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'));
        let tens = exponent - i32::try_from(fraction.len()).ok()?;
        // 10^n = 5^n * 2^n, and a float's mantissa has no room for more than 5^23.
        let number = match u32::try_from(tens) {
            Ok(tens) if tens < 24 => u128::from(number) * 5_u128.pow(tens),
            Ok(_) => return None,
            Err(_) => {
                let fives = 5_u64.checked_pow(tens.unsigned_abs())?;
                (number % fives == 0).then_some(u128::from(number / fives))?
            }
        };
        let twos = number.trailing_zeros();
        Some((number.checked_shr(twos)?, tens + twos.cast_signed()))
    }

    /// From `limit` digits before the point on, and from four zeros behind it on, PostgreSQL writes an exponent.
    fn write(&self, limit: i32, out: &mut Vec<u8>) {
        let (negative, first, fraction, exponent) = self.parts();
        if negative {
            out.push(b'-');
        }
        if (-4..limit).contains(&exponent) {
            return write_fixed(first.as_bytes(), fraction.as_bytes(), exponent, out);
        }
        out.extend_from_slice(first.as_bytes());
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        put(out, format_args!("e{sign}{:02}", exponent.abs()));
    }
}

/// `d.ddd` times ten to the `exponent`, without an exponent.
fn write_fixed(first: &[u8], fraction: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let Ok(shift) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + usize::try_from(-exponent - 1).unwrap_or(0), b'0');
        out.extend_from_slice(first);
        out.extend_from_slice(fraction);
        return;
    };
    out.extend_from_slice(first);
    if shift >= fraction.len() {
        out.extend_from_slice(fraction);
        out.resize(out.len() + shift - fraction.len(), b'0');
    } else {
        out.extend_from_slice(&fraction[..shift]);
        out.push(b'.');
        out.extend_from_slice(&fraction[shift..]);
    }
}
