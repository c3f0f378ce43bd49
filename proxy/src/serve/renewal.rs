//! Reads the configuration again while the server runs: another pipeline takes the place of the one that serves, whole or
//! not at all.

use std::convert::Infallible;
use std::sync::Arc;

use common::config::{Config, Mistakes};
use common::functional;
use common::service::{FunctionalService, HttpService};
use common::{Body, Error};
use http::{Request, Response};
use middleware::registry;

use super::once_each;
use super::sections::Sections;
use super::swap::Swap;
use crate::functionalise::Functionalise;
use crate::settings::Proxy;

/// What a pipeline is built with, so that another can be built at any time.
#[derive(Debug)]
pub(super) struct Renewal {
    /// As the server was started with them.
    pub(super) sections: Sections,
    pub(super) context: registry::Context,
    pub(super) swap: Swap<Request<Body>, Response<Body>, Infallible>,
    /// The guards of the pipeline that serves.
    pub(super) guards: Swap<functional::Request, functional::Reply, Error>,
}

impl Renewal {
    /// Builds the pipeline that `config` describes and lets it serve. It shares with the one before what is remembered
    /// and counted. Settings that hold only after a restart stay as they were; they are returned as `[section] key`.
    ///
    /// # Errors
    /// Everything that is wrong; then nothing has changed.
    pub(super) fn renew(&self, mut config: Config) -> Result<Vec<String>, Mistakes> {
        let sections = Sections::read(&mut config);
        let mut context = self.context.for_another();
        let pipeline = pipeline(&mut config, &mut context, &sections.proxy);
        config.finish().map_err(once_each)?;
        self.swap.replace(pipeline);
        self.guards.replace(context.guards.clone());
        Ok(self.sections.needing_restart(&sections))
    }
}

/// The whole pipeline, from what finds out where the client is to what goes to the servers.
///
/// Whatever is wrong is left in `config` as mistakes, and then the pipeline must not serve.
pub(super) fn pipeline(config: &mut Config, context: &mut registry::Context, proxy: &Proxy) -> HttpService {
    let (constraints, clock) = (Arc::clone(&context.constraints), Arc::clone(&context.clock));
    let functionalise = |inner: FunctionalService| {
        Functionalise::new(inner, constraints, &proxy.allowed_headers, clock).into_service()
    };
    let dispatch = context.owner.clone();
    let filters = registry::build(config, context, functionalise, dispatch);
    proxy.trusted().before(filters)
}
