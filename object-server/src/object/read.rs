//! HEAD and GET: from storage alone, never from SQL.

use common::functional::Context;
use common::functional::object::{Get, Got, Head, Info, Path};
use common::range::Resolved;
use common::{Body, Error, Outcome};

use super::{check_enabled, is_expired};
use crate::node::ObjectAttributes;
use crate::owner::Owner;

impl Owner {
    pub(crate) async fn head_object(&self, head: Head, context: &Context) -> Result<Info, Error> {
        self.admit_object(&head.path, context).await?;
        let attributes = self.engine.stat(&head.path).await?;
        attributes.as_ref().map_or(Ok(()), check_enabled)?;
        let live =
            attributes.filter(|attributes| head.open_expired || !is_expired(attributes, context.timestamp));
        let info = info(live.ok_or_else(|| head.conditions.missing())?);
        head.conditions.check(&info)?;
        self.adopt_later(&head.path, &info);
        Ok(info)
    }

    pub(crate) async fn get_object(&self, get: Get, context: &Context) -> Result<(Got, Body), Error> {
        self.admit_object(&get.path, context).await?;
        let opened = self.engine.open(&get.path).await?;
        opened
            .as_ref()
            .map_or(Ok(()), |(attributes, _)| check_enabled(attributes))?;
        let live =
            opened.filter(|(attributes, _)| get.open_expired || !is_expired(attributes, context.timestamp));
        let (attributes, reader) = live.ok_or_else(|| get.conditions.missing())?;
        let info = info(attributes);
        get.conditions.check(&info)?;
        self.adopt_later(&get.path, &info);
        let resolved = get
            .ranges
            .as_ref()
            .map_or(Resolved::Whole, |ranges| ranges.resolve(info.size));
        let ranges = match resolved {
            Resolved::Whole => None,
            Resolved::Parts(parts) => Some(parts),
            Resolved::Unsatisfiable => return Err(Outcome::RangeNotSatisfiable(Box::new(info)).into()),
        };
        let body = reader.into_body(ranges.clone());
        Ok((Got { info, ranges }, body))
    }

    /// A file without `ETag` was put there or changed by other means.
    fn adopt_later(&self, path: &Path, info: &Info) {
        if info.etag.as_str().is_empty() {
            self.adoptions.note(path);
        }
    }

    async fn admit_object(&self, path: &Path, context: &Context) -> Result<(), Error> {
        self.admit(&path.account, &path.container, context, Body::empty())
            .await
            .map(|_| ())
    }
}

/// What a reader sees of an object.
fn info(attributes: ObjectAttributes) -> Info {
    Info {
        size: attributes.size,
        etag: attributes.etag,
        content_type: attributes.content_type,
        timestamp: attributes.timestamp,
        delete_at: attributes.delete_at,
        properties: attributes.properties,
    }
}
