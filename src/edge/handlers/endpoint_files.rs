//! The public price list and the static files.

use super::{Answered, HandlerError, response};
use crate::edge::context::RequestContext;
use crate::edge::platform::assets;
use crate::endpoints::{Endpoint, StaticFile};
use crate::error::RequestError;

/// Answers `/.well-known/l402` with the listed routes of the requested host. `OPTIONS` is answered like `GET`, for
/// CORS.
pub fn price_list(ctx: &RequestContext<'_>) -> Result<Answered, HandlerError> {
    if ctx.request.method != "OPTIONS" {
        Endpoint::Prices.check_method(&ctx.request.method)?;
    }
    let response = response::price_list(&ctx.policy().catalog(ctx.url.host))?;
    Ok(Answered::by_endpoint(Endpoint::Prices, response))
}

/// Answers with a file of `www/` that everyone may load.
pub async fn static_file(ctx: &RequestContext<'_>, file: StaticFile) -> Result<Answered, HandlerError> {
    let endpoint = Endpoint::Static(file);
    endpoint.check_method(&ctx.request.method)?;
    let (name, content_type) = file.file();
    let stored = assets::open(ctx.env, name).await?.ok_or(RequestError::NotFound)?;
    let response = response::static_file(content_type, stored.body().as_ref())?;
    Ok(Answered::by_endpoint(endpoint, response))
}
