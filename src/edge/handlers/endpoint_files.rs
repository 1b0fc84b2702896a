//! The public price list and the static files.

use web_sys::Response;

use super::{HandlerError, response};
use crate::edge::context::RequestContext;
use crate::edge::platform::assets;
use crate::endpoints::{Endpoint, StaticFile};
use crate::error::RequestError;

/// `/.well-known/l402`: the routes that are sold on the requested host.
pub fn price_list(ctx: &RequestContext<'_>) -> Result<Response, HandlerError> {
    if ctx.request.method != "OPTIONS" {
        require_method(ctx, Endpoint::Prices)?;
    }
    Ok(response::price_list(&ctx.policy().catalog(ctx.url.host))?)
}

/// A file of `www/` that everyone may load.
pub async fn static_file(ctx: &RequestContext<'_>, file: StaticFile) -> Result<Response, HandlerError> {
    require_method(ctx, Endpoint::Static(file))?;
    let (name, content_type) = file.file();
    let stored = assets::open(ctx.env, name).await?.ok_or(RequestError::NotFound)?;
    Ok(response::static_file(content_type, stored.body().as_ref())?)
}

/// Fails with 405 unless the endpoint answers the method.
pub fn require_method(ctx: &RequestContext<'_>, endpoint: Endpoint<'_>) -> Result<(), RequestError> {
    match endpoint.allow() {
        Some(allow) if !allow.split(", ").any(|method| method == ctx.request.method) => {
            Err(RequestError::MethodNotAllowed { allow: allow.to_owned() })
        }
        _ => Ok(()),
    }
}
