//! Values of settings with units.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod load;

pub use load::{Config, Mistake, Mistakes};

/// A length of time in a setting: `"500ms"`, `"30s"`, `"5m"`, `"12h"`, `"7d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// An amount of bytes in a setting: `"4096"`, `"64KiB"`, `"5GiB"`, or a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Period {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let millis = match unit {
            "ms" => number,
            "s" => number.checked_mul(1000)?,
            "m" => number.checked_mul(60_000)?,
            "h" => number.checked_mul(3_600_000)?,
            "d" => number.checked_mul(86_400_000)?,
            _ => return None,
        };
        Some(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
            if millis >= length && millis.is_multiple_of(length) {
                return write!(formatter, "{}{unit}", millis / length);
            }
        }
        write!(formatter, "{millis}ms")
    }
}

impl Size {
    const UNITS: [(&'static str, u64); 5] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("", 1),
    ];

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let (_, factor) = Self::UNITS.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*factor).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        let (unit, factor) = Self::UNITS
            .into_iter()
            .find(|&(_, factor)| exact(factor))
            .unwrap_or(("", 1));
        write!(formatter, "{}{unit}", self.0 / factor)
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str =
            "expected a length of time with its unit, such as \"500ms\", \"30s\", \"5m\" or \"12h\"";
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom(EXPECTED))?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(EXPECTED))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "expected a number of bytes, such as 4096, \"64KiB\" or \"5GiB\"";
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(bytes)) => Ok(Self(bytes)),
            Ok(Written::Text(text)) => Self::parse(&text).ok_or_else(|| D::Error::custom(EXPECTED)),
            Err(_) => Err(D::Error::custom(EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units() {
        assert_eq!(Period::parse("2m"), Some(Period::seconds(120)));
        assert_eq!(Size::parse("5GiB"), Some(Size(5 << 30)));
        for text in ["", "5", "s", "-5s", "5 parsecs", "99999999999999999999s", "5.5s"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
        for text in ["", "5GB", "KiB", "-1"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(millis in 0..u64::from(u32::MAX), bytes in any::<u64>()) {
            let period = Period(Duration::from_millis(millis));
            prop_assert_eq!(Period::parse(&period.to_string()), Some(period));
            prop_assert_eq!(Size::parse(&Size(bytes).to_string()), Some(Size(bytes)));
        }
    }
}
