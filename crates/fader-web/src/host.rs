//! The machine and the process, as attributes.

use fader::FlagsBuilder;

/// Adds the attributes `host.name`, the name that the operating system gives the machine (in a container as a rule that
/// of the container, in Kubernetes that of the pod), and `host.instance`, which tells the processes of a machine apart,
/// such as their address or number. They are constants of the process, so rules on them cost nothing.
///
/// Where the name of the machine is not UTF-8, `host.name` is missing.
///
/// ```
/// use fader::{Context, Flags, Source};
///
/// let flags = fader_web::host(Flags::builder(), "127.0.0.1:3000").build();
/// flags.load(
///     r#"{ "flags": { "new-cache": { "rules": [
///         { "if": { "attribute": "host.instance", "is": "127.0.0.1:3000" }, "serve": "on" } ] } } }"#,
///     &Source::new("flags.json"),
/// )?;
/// assert_eq!(flags.resolve("new-cache", &Context::anonymous()).variant(), Some("on"));
/// # Ok::<(), fader::CompileError>(())
/// ```
#[must_use]
pub fn host(builder: FlagsBuilder, instance: impl Into<String>) -> FlagsBuilder {
    let builder = builder.ambient("host.instance", instance.into());
    match gethostname::gethostname().into_string() {
        Ok(name) => builder.ambient("host.name", name),
        Err(_) => builder,
    }
}
