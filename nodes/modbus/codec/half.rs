//! IEEE floats of 16 bits, which the language does not have yet: 1 bit of sign, 5 of exponent, 10 of fraction.

/// The value, exactly.
pub(super) fn to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1F), u32::from(bits & 0x3FF));
    let magnitude = match exponent {
        // So small that the first digit is no longer 1: multiples of 2⁻²⁴.
        0 => (fraction as f32 / 16_777_216.0).to_bits(),
        31 => 0x7F80_0000 | fraction << 13,
        _ => (exponent + 127 - 15) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// The nearest value, the even one of two; `None` if it is larger than any.
pub(super) fn of_f64(value: f64) -> Option<u16> {
    let sign = u16::from(value.is_sign_negative()) << 15;
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return Some(sign | 0x7E00);
    }
    if magnitude.is_infinite() {
        return Some(sign | 0x7C00);
    }
    // Scaled so that one is the distance to the next value; 2⁻¹⁴ is the least that has all its digits.
    let exponent = (((magnitude.to_bits() >> 52) as i32) - 1023).max(-14);
    if 15 < exponent {
        return None;
    }
    let steps = (magnitude * 2_f64.powi(10 - exponent)).round_ties_even() as u16;
    // A fraction that was rounded up to the next power of two carries into the exponent, as it should.
    let bits = (((exponent + 14) as u16) << 10) + steps;
    (bits < 0x7C00).then_some(sign | bits)
}

/// The same for a single; a NaN keeps as much of its payload as there is room for.
pub(super) fn of_f32(value: f32) -> Option<u16> {
    if !value.is_nan() {
        return of_f64(f64::from(value));
    }
    let (sign, payload) = ((value.to_bits() >> 16 & 0x8000) as u16, (value.to_bits() >> 13 & 0x3FF) as u16);
    Some(sign | 0x7C00 | if payload == 0 { 0x200 } else { payload })
}
