//! Moments as Swift writes them: units of 10 µs since 1970.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const UNITS_A_SECOND: u64 = 100_000;

/// A moment, in units of 10 µs since 1970-01-01T00:00:00Z: Swift's `X-Timestamp` without rounding.
///
/// `Display` is the header's form, `1700000000.12345`, padded to 16 characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From units of 10 µs.
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// From whole seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(UNITS_A_SECOND))
    }

    /// Units of 10 µs.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / UNITS_A_SECOND
    }

    /// Whole seconds, rounded **up**: what Swift shows in `Last-Modified` and compares with conditional dates.
    pub const fn seconds_up(self) -> u64 {
        self.0.div_ceil(UNITS_A_SECOND)
    }

    /// The `Last-Modified` form: RFC 9110 date, rounded up to the second.
    pub fn http_date(self) -> String {
        // httpdate knows years to 9999 only, which the clamp keeps.
        let seconds = self.seconds_up().min(253_402_300_799);
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// The form in listings: `2026-01-02T03:04:05.678900`, UTC, six digits always.
    pub fn iso(self) -> String {
        let seconds = self.seconds();
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let mut text = String::with_capacity("2026-01-02T03:04:05.678900".len());
        // By hand: each line of a listing has one, and the formatting machinery costs several times as much.
        for (number, digits, behind) in [
            (year, 4, "-"),
            (month, 2, "-"),
            (day, 2, "T"),
            (seconds / 3600 % 24, 2, ":"),
            (seconds / 60 % 60, 2, ":"),
            (seconds % 60, 2, "."),
            (self.0 % UNITS_A_SECOND * 10, 6, ""),
        ] {
            push_number(&mut text, number, digits);
            text.push_str(behind);
        }
        text
    }

    /// Reads the header's form; fewer digits behind the point (or none) are allowed, more are cut.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if seconds.is_empty() || !is_digits(seconds) || !is_digits(fraction) {
            return None;
        }
        let units = format!("{fraction:0<5}")[..5].parse::<u64>().ok()?;
        let seconds = seconds.parse::<u64>().ok()?;
        seconds.checked_mul(UNITS_A_SECOND)?.checked_add(units).map(Self)
    }

    /// Reads a moment as people write it, in UTC: `2026-01-02`, `2026-01-02T03:04`, `2026-01-02 03:04:05.6789Z`.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
        let mut parts = date.splitn(3, '-');
        let (year, month, day) = (
            digits(parts.next()?, 4)?,
            digits(parts.next()?, 2)?,
            digits(parts.next()?, 2)?,
        );
        let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut parts = clock.splitn(3, ':');
        let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let second = digits(parts.next().unwrap_or("00"), 2)?;
        if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_from_civil(year, month, day);
        if day == 0 || civil_from_days(days) != (year, month, day) {
            return None;
        }
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Self::parse(&format!("{seconds}.{fraction}"))
    }
}

/// Timestamps in what people and their programs read as JSON: as in listings, `2026-01-02T03:04:05.678900`.
/// For `#[serde(with = "…")]`; a bare number of units is read too.
pub mod as_iso {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Iso(String),
        Units(Timestamp),
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the serializer fails with.
    pub fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&moment.iso())
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is no moment.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        match Either::deserialize(deserializer)? {
            Either::Units(moment) => Ok(moment),
            Either::Iso(text) => Timestamp::parse_iso(&text)
                .ok_or_else(|| D::Error::custom("no moment as 2026-01-02T03:04:05")),
        }
    }

    /// The same of one that may be missing.
    pub mod optional {
        use super::{Deserialize, Deserializer, Serializer, Timestamp};
        use serde::Serialize as _;

        /// Writes it, or nothing.
        ///
        /// # Errors
        /// What the serializer fails with.
        pub fn serialize<S: Serializer>(
            moment: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            moment.map(Timestamp::iso).serialize(serializer)
        }

        /// Reads it, or nothing.
        ///
        /// # Errors
        /// When it is no moment.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            #[derive(Deserialize)]
            struct Present(#[serde(with = "super")] Timestamp);
            Ok(Option::<Present>::deserialize(deserializer)?.map(|Present(moment)| moment))
        }
    }
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:010}.{:05}", self.seconds(), self.0 % UNITS_A_SECOND)
    }
}

/// Adds `number` with at least so many digits.
fn push_number(text: &mut String, number: u64, digits: u32) {
    let mut unit = 10_u64.pow(digits - 1);
    while number / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        text.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
}

/// Days since 1970 to year, month, day in the Gregorian calendar: eras of 400 years counted from 1 March of year 0.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The way back, of years from 1970 on.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let year_of_era = year % 400;
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).saturating_sub(719_469)
}

/// The only reader of the wall clock.
#[derive(Debug, Default)]
pub struct Clock {
    last: AtomicU64,
}

impl Clock {
    /// A clock that has given no timestamp yet.
    pub const fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
        }
    }

    /// The time now, greater than every earlier answer of this clock: no two requests of a process carry the same
    /// timestamp, also when the wall clock steps back.
    pub fn next(&self) -> Timestamp {
        let now = Self::now().0;
        let step = |last: u64| Some(now.max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        Timestamp(now.max(last.unwrap_or(0) + 1))
    }

    /// The time now, for comparing with stored moments.
    pub fn now() -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the wall clock"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp((since.as_micros() / 10) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_a_timestamp() {
        let moment = Timestamp::from_units(170_000_000_012_345);
        assert_eq!(moment.to_string(), "1700000000.12345");
        assert_eq!(moment.iso(), "2023-11-14T22:13:20.123450");
        assert_eq!(moment.http_date(), "Tue, 14 Nov 2023 22:13:21 GMT");
        assert_eq!(
            Timestamp::from_seconds(1_700_000_000).http_date(),
            "Tue, 14 Nov 2023 22:13:20 GMT"
        );
        assert_eq!(Timestamp::from_units(5).to_string(), "0000000000.00005");
        assert_eq!(Timestamp::from_units(5).iso(), "1970-01-01T00:00:00.000050");
        assert_eq!(
            Timestamp::from_seconds(253_402_300_800).iso(),
            "10000-01-01T00:00:00.000000"
        );
        assert_eq!(
            Timestamp::from_units(u64::MAX).iso(),
            "5847510-06-30T08:18:15.516150"
        );
    }

    #[test]
    fn malformed_timestamps_are_refused() {
        for text in ["", ".5", "-1", "1.x", "1e5", "99999999999999999999", "1.2.3"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        assert_eq!(Timestamp::parse("12"), Some(Timestamp::from_seconds(12)));
    }

    #[test]
    fn moments_as_people_write_them() {
        let of = |text| Timestamp::parse_iso(text).map(Timestamp::iso);
        let day = |rest: &str| Some(format!("2024-02-29T{rest}"));
        assert_eq!(of("2024-02-29"), day("00:00:00.000000"));
        assert_eq!(of("2024-02-29 13:05"), day("13:05:00.000000"));
        assert_eq!(of("2024-02-29T13:05:59Z"), day("13:05:59.000000"));
        assert_eq!(of("1970-01-01"), Some("1970-01-01T00:00:00.000000".to_owned()));
        for text in [
            "",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-1-1",
            "1969-12-31",
            "2024-01-01T24:00",
            "2024-01-01T",
            "2024-01-01T1:00",
            "2024-01-01T01:60",
            "2024-01-01T01:00:00.x",
            "2024-01-01T01",
            "yesterday",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_never_repeats() {
        let clock = Clock::new();
        let times: Vec<_> = (0..1000).map(|_| clock.next()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn as_iso_is_written_and_both_forms_are_read() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Times {
            #[serde(with = "as_iso")]
            created: Timestamp,
            #[serde(with = "as_iso::optional", default)]
            ended: Option<Timestamp>,
        }
        let created = Timestamp::from_units(170_000_000_012_345);
        let times = |ended| Times { created, ended };
        let json = r#"{"created":"2023-11-14T22:13:20.123450","ended":null}"#;
        assert_eq!(serde_json::to_string(&times(None)).unwrap(), json);
        assert_eq!(serde_json::from_str::<Times>(json).unwrap(), times(None));
        let bare = r#"{"created":170000000012345,"ended":"2023-11-14T22:13:20.12345"}"#;
        assert_eq!(serde_json::from_str::<Times>(bare).unwrap(), times(Some(created)));
        assert!(serde_json::from_str::<Times>(r#"{"created":"yesterday"}"#).is_err());
    }

    proptest! {
        #[test]
        fn text_round_trips(units in 0..1_000_000_000_000_000_u64) {
            let moment = Timestamp::from_units(units);
            prop_assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }

        #[test]
        fn iso_round_trips(units in 0..25_340_230_079_900_000_u64) {
            let moment = Timestamp::from_units(units);
            prop_assert_eq!(Timestamp::parse_iso(&moment.iso()), Some(moment));
        }

        #[test]
        fn iso_agrees_with_the_http_date(seconds in 0..253_402_300_799_u64) {
            let moment = Timestamp::from_seconds(seconds);
            let date = moment.http_date(); // Tue, 14 Nov 2023 22:13:20 GMT
            let iso = moment.iso();
            prop_assert_eq!(&iso[..4], &date[12..16]);
            prop_assert_eq!(&iso[8..10], &date[5..7]);
            prop_assert_eq!(&iso[11..19], &date[17..25]);
        }
    }
}
