//! `X-Delete-At` and `X-Delete-After` (swift-api: object expiry).

use common::{Error, Timestamp};
use http::HeaderMap;

/// Later than this nothing expires: ten digits.
const LATEST: i128 = 9_999_999_999;

/// When the object of this request expires; `X-Delete-After` wins.
///
/// # Errors
/// 400 for what is no whole number, and for a moment that is not in the future.
pub(super) fn delete_at(headers: &HeaderMap, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let now = i128::from(now.seconds());
    let (moment, past) = if let Some(after) = headers.get("x-delete-after") {
        let after =
            integer(after.as_bytes()).ok_or_else(|| Error::bad_request("Non-integer X-Delete-After"))?;
        (now.saturating_add(after), "X-Delete-After in past")
    } else if let Some(at) = headers.get("x-delete-at") {
        let at = integer(at.as_bytes()).ok_or_else(|| Error::bad_request("Non-integer X-Delete-At"))?;
        (at, "X-Delete-At in past")
    } else {
        return Ok(None);
    };
    if moment <= now {
        return Err(Error::bad_request(past));
    }
    Ok(Some(seconds(moment)))
}

/// The expiry that an object must have to be deleted by this request.
///
/// # Errors
/// 400 for what is no whole number.
pub(super) fn if_delete_at(headers: &HeaderMap) -> Result<Option<Timestamp>, Error> {
    let Some(at) = headers.get("x-if-delete-at") else {
        return Ok(None);
    };
    let at = integer(at.as_bytes()).ok_or_else(|| Error::bad_request("Non-integer X-If-Delete-At"))?;
    Ok(Some(seconds(at)))
}

fn seconds(moment: i128) -> Timestamp {
    Timestamp::from_seconds(u64::try_from(moment.clamp(0, LATEST)).unwrap_or_default())
}

/// A whole number; one that is too long for any use is as good as the greatest.
fn integer(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i128>().unwrap_or(i128::from(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_units(170_000_000_050_000);

    fn read(name: &'static str, value: &str) -> Result<Option<u64>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        delete_at(&headers, NOW)
            .map(|at| at.map(Timestamp::seconds))
            .map_err(|error| error.text().unwrap_or_default().to_owned())
    }

    #[test]
    fn moments() {
        assert_eq!(read("x-delete-at", "1700000001"), Ok(Some(1_700_000_001)));
        assert_eq!(read("x-delete-after", "10"), Ok(Some(1_700_000_010)));
        assert_eq!(
            read("x-delete-at", "99999999999999999999999999999999999999999"),
            Ok(Some(9_999_999_999))
        );
        assert_eq!(read("x-delete-after", "99999999999"), Ok(Some(9_999_999_999)));
        assert_eq!(read("x-other", "1"), Ok(None));
    }

    #[test]
    fn refusals_have_swifts_words() {
        for text in ["x", "", "1.5", "1e5", "--1", "٣"] {
            assert_eq!(
                read("x-delete-at", text),
                Err("Non-integer X-Delete-At".into()),
                "{text}"
            );
            assert_eq!(
                read("x-delete-after", text),
                Err("Non-integer X-Delete-After".into()),
                "{text}"
            );
        }
        for text in ["0", "-5", "1700000000"] {
            assert_eq!(
                read("x-delete-at", text),
                Err("X-Delete-At in past".into()),
                "{text}"
            );
        }
        assert_eq!(read("x-delete-after", "0"), Err("X-Delete-After in past".into()));
        assert_eq!(read("x-delete-after", "-1"), Err("X-Delete-After in past".into()));
    }

    #[test]
    fn a_conditional_delete() {
        let mut headers = HeaderMap::new();
        assert!(if_delete_at(&headers).unwrap().is_none());
        headers.insert("x-if-delete-at", "5".parse().unwrap());
        assert_eq!(if_delete_at(&headers).unwrap(), Some(Timestamp::from_seconds(5)));
        headers.insert("x-if-delete-at", "bad".parse().unwrap());
        assert_eq!(if_delete_at(&headers).unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "[-+0-9 x.]{0,60}") {
            let _ = read("x-delete-at", &value);
            let _ = read("x-delete-after", &value);
        }
    }
}
