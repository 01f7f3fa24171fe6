//! Says which of the process's own sources of credentials failed, and what to do about it.

use std::{fmt, io, path::Path};

use aws_config::profile::{self, Profile, ProfileSet};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use super::{
    failure::{CallFailure, FailureKind, cause_of, chain, role_fix, source_reason},
    network::{proxy_fix, variable},
};
use crate::settings::shortened;

/// The profile that is used where none is named.
const DEFAULT: &str = "default";
/// The variable with the token file of a web identity.
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The shared files: the variable with the path of each, and its usual path beneath the home directory.
const SHARED_FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
/// The settings of a profile of SSO.
const SSO_SETTINGS: [&str; 4] = ["sso_start_url", "sso_region", "sso_account_id", "sso_role_name"];
/// The length to which the words of a program are cut.
const PROGRAM_WORDS: usize = 300;

/// The failure of a source of the process's own credentials.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct SourceFailure {
    message: String,
    /// The fix of its cause.
    pub(super) fix: String,
    source: CredentialsError,
}

/// The fault of a source, and its fix.
#[derive(Debug, PartialEq, Eq)]
struct Explanation {
    message: String,
    fix: String,
}

impl Explanation {
    fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into() }
    }
}

/// Names the source that failed; the profile is the one that the settings or the environment name.
pub(super) async fn explained(error: CredentialsError, profile: Option<String>) -> CredentialsError {
    let Some(Explanation { message, fix }) = OwnSources::read(profile).await.explain(&error) else {
        return error;
    };
    let is_missing = matches!(
        error,
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
    );
    let failure = SourceFailure { message, fix, source: error };
    if is_missing {
        CredentialsError::invalid_configuration(failure)
    } else {
        CredentialsError::provider_error(failure)
    }
}

/// The profile in use and the shared files, as far as they can be read.
struct OwnSources {
    profile: String,
    is_named: bool,
    /// The profiles, or why the files cannot be read.
    profiles: Result<ProfileSet, String>,
    files: Vec<SharedFile>,
    /// The token file that the environment names.
    token_file: Option<String>,
}

/// A shared file, which may be missing.
struct SharedFile {
    path: String,
    /// The variable that names it.
    variable: Option<&'static str>,
}

impl SharedFile {
    fn of_environment((variable_name, usual): (&'static str, &str)) -> Self {
        let home = || variable("HOME").unwrap_or_else(|| "~".to_owned());
        match variable(variable_name).filter(|path| !path.is_empty()) {
            Some(path) => Self { path, variable: Some(variable_name) },
            None => Self { path: format!("{}/{usual}", home()), variable: None },
        }
    }
}

impl fmt::Display for SharedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)?;
        if let Some(variable) = self.variable {
            write!(formatter, " of {variable}")?;
        }
        if !Path::new(&self.path).exists() && !self.path.starts_with('~') {
            formatter.write_str(" (missing)")?;
        }
        Ok(())
    }
}

impl OwnSources {
    async fn read(profile: Option<String>) -> Self {
        let is_named = profile.is_some();
        let profile = profile.unwrap_or_else(|| DEFAULT.to_owned());
        let (fs, env, files) = (Fs::real(), Env::real(), EnvConfigFiles::default());
        let profiles = profile::load(&fs, &env, &files, Some(profile.clone().into())).await;
        Self {
            profile,
            is_named,
            profiles: profiles.map_err(|error| source_reason(&error)),
            files: SHARED_FILES.map(SharedFile::of_environment).into(),
            token_file: variable(TOKEN_FILE),
        }
    }

    fn find(&self, profile: &str) -> Option<&Profile> {
        self.profiles.as_ref().ok()?.get_profile(profile)
    }

    /// The profile at the end of the `source_profile` settings, as the SDK follows them, or the name of a missing one.
    fn base(&self) -> Result<&Profile, &str> {
        let (mut name, mut seen) = (&*self.profile, Vec::new());
        loop {
            let profile = self.find(name).ok_or(name)?;
            let is_source = !seen.is_empty();
            seen.push(name);
            let has_keys = profile.get("aws_access_key_id").is_some();
            let is_role =
                profile.get("role_arn").is_some() && profile.get("web_identity_token_file").is_none();
            match profile.get("source_profile") {
                Some(next) if is_role && !(is_source && has_keys) && !seen.contains(&next) => name = next,
                _ => return Ok(profile),
            }
        }
    }

    /// The base profile's name, or that of the profile in use.
    fn base_name(&self) -> &str {
        self.base().map_or(&self.profile, Profile::name)
    }

    /// A setting of the base profile.
    fn base_setting(&self, key: &str) -> Option<&str> {
        self.base().ok()?.get(key)
    }

    /// The shared files by their paths.
    fn files(&self) -> String {
        self.files.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }

    /// Returns `None` for a failure that no profile and no token file has caused.
    fn explain(&self, error: &CredentialsError) -> Option<Explanation> {
        let reason = source_reason(error);
        if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
            return self.nothing_found();
        }
        if let Some((_, program)) = reason.split_once("Error retrieving credentials") {
            return Some(self.of_program(program));
        }
        if let Some(failure) = chain(error).find_map(CallFailure::of_source) {
            return Some(self.of_call(&failure, &reason));
        }
        if reason.contains("credentials-login") || reason.contains("Login token") {
            return Some(self.of_login());
        }
        if let Some((_, fault)) = reason.split_once("ProfileFile provider could not be built: ") {
            return Some(self.unusable(fault));
        }
        let is_complete = |base: &Profile| is_of_sso(base) && self.lacking_of_sso(base).is_empty();
        if self.base().is_ok_and(is_complete) {
            return Some(self.of_sign_in(&format!("is not signed in to sso: {reason}")));
        }
        let is_unread = cause_of::<io::Error>(error).is_some();
        if is_unread { self.of_token_file(&reason) } else { None }
    }

    /// No source has credentials.
    fn nothing_found(&self) -> Option<Explanation> {
        let (profile, files) = (&self.profile, self.files());
        match self.base() {
            Err(missing) if missing != *profile => Some(Explanation::new(
                format!(
                    "the profile {profile} names the source_profile {missing}, which is in no shared file; looked at: {files}"
                ),
                format!("correct the source_profile of the profile {profile}, or add the profile {missing}"),
            )),
            Err(_) if self.is_named => Some(Explanation::new(
                format!(
                    "the profile {profile} is in no shared file, and no other source has credentials; looked at: {files}"
                ),
                format!(
                    "correct the profile's name (AWS_PROFILE, aws.profile), or add it: aws configure --profile {profile}"
                ),
            )),
            Err(_) => None,
            Ok(base) => self.incomplete(base),
        }
    }

    /// The base profile lacks settings; the default one that has no such settings is not meant.
    fn incomplete(&self, base: &Profile) -> Option<Explanation> {
        let (profile, name, files) = (&self.profile, base.name(), self.files());
        if is_of_sso(base) {
            let lacking = self.lacking_of_sso(base).join(" and ");
            return Some(Explanation::new(
                format!("the profile {name} of sso lacks {lacking}"),
                format!("add {lacking}: aws configure sso --profile {name}"),
            ));
        }
        if base.get("source_profile") == Some(name) {
            return Some(Explanation::new(
                format!("the profile {name} is its own source_profile, and has no keys"),
                format!(
                    "add aws_access_key_id and aws_secret_access_key to the profile {name}, or name another source_profile"
                ),
            ));
        }
        (self.is_named || name != profile).then(|| {
            Explanation::new(
                format!(
                    "the profile {name} has neither keys, a role with its source, sso nor a credential_process, and no other source has credentials; looked at: {files}"
                ),
                format!(
                    "add what is missing: aws configure --profile {name}; or name another profile (AWS_PROFILE, aws.profile)"
                ),
            )
        })
    }

    /// The settings of SSO that neither a profile nor its session has.
    fn lacking_of_sso(&self, base: &Profile) -> Vec<&'static str> {
        let session = base.get("sso_session");
        let session = session.and_then(|name| self.profiles.as_ref().ok()?.sso_session(name));
        let of_session = |key| session.and_then(|session| session.get(key));
        SSO_SETTINGS.into_iter().filter(|key| base.get(key).or_else(|| of_session(key)).is_none()).collect()
    }

    /// The profile's settings contradict each other, or a shared file cannot be read.
    fn unusable(&self, fault: &str) -> Explanation {
        let (profile, files) = (&self.profile, self.files());
        match &self.profiles {
            Ok(_) => Explanation::new(
                format!("the profile {profile} cannot be used: {fault}"),
                format!("correct the profile {profile} in {files}"),
            ),
            Err(fault) => Explanation::new(
                format!("the shared files cannot be read: {fault}"),
                format!("correct {files}"),
            ),
        }
    }

    /// The program of `credential_process` failed; the SDK's words hold its status and what it wrote.
    fn of_program(&self, words: &str) -> Explanation {
        let name = self.base_name();
        let program = format!("the credential_process of the profile {name}");
        let words = words.trim_start_matches(" from external process");
        let words = words.trim_start_matches([':', ',', ' ']);
        if let Some((_, fault)) = words.split_once("could not parse response: ") {
            return Explanation::new(
                format!("{program} printed no credentials: {}", shortened(fault, PROGRAM_WORDS)),
                format!("let {program} print nothing but JSON with Version, AccessKeyId and SecretAccessKey"),
            );
        }
        let by_hand = format!("run {program} by hand, and mend what it says");
        let Some((status, said)) = words.split_once(". Stderr:") else {
            return Explanation::new(
                format!("{program} failed: {}", shortened(words, PROGRAM_WORDS)),
                by_hand,
            );
        };
        let status = status.rsplit("with code ").next().unwrap_or(status).replace("exit status: ", "status ");
        let is_missing = status == "status 127";
        let said = match said.trim() {
            "" => "it says nothing".to_owned(),
            said => shortened(said, PROGRAM_WORDS),
        };
        let install =
            || format!("install the program that {program} runs, or name it by its path: PATH has none");
        Explanation::new(
            format!("{program} ended with {status}: {said}"),
            if is_missing { install() } else { by_hand },
        )
    }

    /// A call to STS or to SSO failed.
    fn of_call(&self, failure: &CallFailure, reason: &str) -> Explanation {
        let name = self.base_name();
        if failure.service != "sso" {
            return self.of_sts(failure, reason);
        }
        let network = || {
            failure
                .fix
                .clone()
                .unwrap_or_else(|| format!("check sso_region of the profile {name}, and the network to SSO"))
        };
        match &failure.kind {
            FailureKind::Answered(code)
                if code == "ForbiddenException" || code == "ResourceNotFoundException" =>
            {
                let setting = |key| self.base_setting(key).unwrap_or("?");
                let (account, role) = (setting("sso_account_id"), setting("sso_role_name"));
                Explanation::new(
                    format!(
                        "the user of the profile {name} has no role {role} in the account {account}: {reason}"
                    ),
                    format!(
                        "correct sso_account_id and sso_role_name of the profile {name}, or have its user assigned to both"
                    ),
                )
            }
            FailureKind::Answered(_) => self.of_sign_in(&format!("is given no credentials by sso: {reason}")),
            _ => Explanation::new(format!("the profile {name}: {reason}"), network()),
        }
    }

    /// STS gives no role, be it for a web identity or for a profile.
    fn of_sts(&self, failure: &CallFailure, reason: &str) -> Explanation {
        let profile = &self.profile;
        let is_answered = matches!(failure.kind, FailureKind::Answered(_));
        match self.token_source() {
            Some((_, whose)) if is_answered => Explanation::new(
                format!("the role of the web identity by {whose} is not assumed: {reason}"),
                "let the role's trust policy name the identity provider of the token, and its subject and audience",
            ),
            Some((_, whose)) => Explanation::new(
                format!("the role of the web identity by {whose} is not assumed: {reason}"),
                role_fix(failure),
            ),
            None => Explanation::new(
                format!("the role of the profile {profile} is not assumed: {reason}"),
                role_fix(failure),
            ),
        }
    }

    fn of_login(&self) -> Explanation {
        let name = self.base_name();
        Explanation::new(
            format!("the profile {name} is one of aws login, which is not read"),
            format!(
                "add another profile with credential_process = aws configure export-credentials --profile {name} --format process, and use it; run aws login --profile {name} when its session has ended"
            ),
        )
    }

    fn of_sign_in(&self, fault: &str) -> Explanation {
        let name = self.base_name();
        let fix =
            proxy_fix(fault).map_or_else(|| format!("run aws sso login --profile {name}"), str::to_owned);
        Explanation::new(format!("the profile {name} {fault}"), fix)
    }

    /// The token file of the web identity, and what names it.
    fn token_source(&self) -> Option<(&str, String)> {
        const OF_PROFILE: &str = "web_identity_token_file";
        match self.base_setting(OF_PROFILE) {
            Some(path) => Some((path, format!("{OF_PROFILE} of the profile {}", self.base_name()))),
            None => Some((self.token_file.as_deref()?, TOKEN_FILE.to_owned())),
        }
    }

    fn of_token_file(&self, reason: &str) -> Option<Explanation> {
        let (path, whose) = self.token_source()?;
        Some(Explanation::new(
            format!("the token file {path} of {whose} is not read: {reason}"),
            format!("correct {whose}, or see that the file is there and this user may read it"),
        ))
    }
}

fn is_of_sso(profile: &Profile) -> bool {
    SSO_SETTINGS.iter().chain(&["sso_session"]).any(|key| profile.get(key).is_some())
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        config::http::HttpResponse,
        error::{ConnectorError, SdkError},
    };
    use aws_sdk_sso::{error::ErrorMetadata, operation::get_role_credentials::GetRoleCredentialsError};

    use super::*;

    /// The explanation of a failure with the profile `dev` of a configuration file.
    async fn explained_by(file: &str, error: CredentialsError) -> Explanation {
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("config");
        std::fs::write(&path, file).unwrap();
        let kind = aws_runtime::env_config::file::EnvConfigFileKind::Config;
        let shared = EnvConfigFiles::builder().with_file(kind, &path).build();
        let profiles =
            profile::load(&Fs::real(), &Env::from_slice(&[]), &shared, Some("dev".into())).await.unwrap();
        let sources = OwnSources {
            profile: "dev".to_owned(),
            is_named: true,
            profiles: Ok(profiles),
            files: vec![
                SharedFile { path: path.display().to_string(), variable: Some("AWS_CONFIG_FILE") },
                SharedFile { path: "/no/such/credentials".to_owned(), variable: None },
            ],
            token_file: None,
        };
        sources.explain(&error).unwrap()
    }

    fn none() -> CredentialsError {
        CredentialsError::not_loaded("none")
    }

    #[tokio::test]
    async fn a_profile_without_credentials_says_what_it_lacks() {
        const SESSION: &str = "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\n";
        for (file, message, fix) in [
            ("[default]\n", "the profile dev is in no shared file", "aws configure --profile dev"),
            (
                "[profile dev]\nregion = x\n",
                "the profile dev has neither keys",
                "aws configure --profile dev",
            ),
            (
                "[profile dev]\nrole_arn = a\nsource_profile = nothere\n",
                "the profile dev names the source_profile nothere, which is in no shared file",
                "correct the source_profile of the profile dev",
            ),
            (
                "[profile dev]\nrole_arn = a\nsource_profile = dev\n",
                "the profile dev is its own source_profile, and has no keys",
                "add aws_access_key_id",
            ),
            (
                &format!(
                    "[profile dev]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = r\n{SESSION}"
                ),
                "the profile dev of sso lacks sso_region",
                "add sso_region: aws configure sso --profile dev",
            ),
            (
                &format!("[profile dev]\nsso_session = corp\n{SESSION}sso_region = x\n"),
                "the profile dev of sso lacks sso_account_id and sso_role_name",
                "aws configure sso --profile dev",
            ),
        ] {
            let explanation = explained_by(file, none()).await;
            assert!(explanation.message.starts_with(message), "{file}: {explanation:?}");
            assert!(explanation.fix.contains(fix), "{file}: {explanation:?}");
        }
    }

    #[tokio::test]
    async fn the_shared_files_are_named_with_what_is_missing() {
        let Explanation { message, .. } = explained_by("[default]\n", none()).await;
        assert!(message.contains("/config of AWS_CONFIG_FILE"), "{message}");
        assert!(message.contains("/no/such/credentials (missing)"), "{message}");
    }

    #[tokio::test]
    async fn a_credential_process_is_named_with_its_profile_on_one_short_line() {
        const FILE: &str =
            "[profile dev]\nrole_arn = a\nsource_profile = base\n[profile base]\ncredential_process = x\n";
        let of_program = async |words: String| {
            let failed = CredentialsError::provider_error(words);
            explained_by(FILE, CredentialsError::provider_error(failed)).await
        };
        let exited = |code: u8, stderr: &str| {
            format!(
                "Error retrieving credentials: external process exited with code exit status: {code}. Stderr: {stderr}"
            )
        };
        let Explanation { message, fix } = of_program(exited(127, "sh: 1: aws:\n not found\n")).await;
        assert_eq!(
            message,
            "the credential_process of the profile base ended with status 127: sh: 1: aws: not found"
        );
        assert!(fix.starts_with("install the program"), "{fix}");
        let Explanation { message, fix } = of_program(exited(1, &"long\nword ".repeat(500))).await;
        assert!(!message.contains('\n') && message.chars().count() < 400, "{message}");
        assert!(fix.starts_with("run the credential_process of the profile base by hand"), "{fix}");
        let garbage =
            "Error retrieving credentials from external process, could not parse response: invalid JSON";
        let Explanation { message, fix } = of_program(garbage.to_owned()).await;
        assert_eq!(
            message,
            "the credential_process of the profile base printed no credentials: invalid JSON"
        );
        assert!(fix.contains("Version, AccessKeyId and SecretAccessKey"), "{fix}");
    }

    #[tokio::test]
    async fn a_missing_token_file_is_named_with_its_setting() {
        let failed = CredentialsError::provider_error(io::Error::from(io::ErrorKind::NotFound));
        let file = "[profile dev]\nrole_arn = a\nweb_identity_token_file = /no/such/token\n";
        let Explanation { message, fix } = explained_by(file, failed).await;
        assert!(
            message.starts_with(
                "the token file /no/such/token of web_identity_token_file of the profile dev is not read:"
            ),
            "{message}"
        );
        assert!(fix.starts_with("correct web_identity_token_file of the profile dev"), "{fix}");
    }

    #[tokio::test]
    async fn a_sign_in_names_its_profile() {
        let sso = "[profile dev]\nsso_region = x\nsso_start_url = x\nsso_account_id = 1\nsso_role_name = r\n";
        let expired = CredentialsError::provider_error("the SSO token has expired and cannot be refreshed");
        let Explanation { message, fix } = explained_by(sso, expired).await;
        assert!(message.starts_with("the profile dev is not signed in to sso: the SSO token"), "{message}");
        assert_eq!(fix, "run aws sso login --profile dev");
        let login = CredentialsError::invalid_configuration(
            "ProfileFile provider could not be built: This behavior requires following cargo feature(s) enabled: credentials-login.",
        );
        let Explanation { message, fix } = explained_by("[profile dev]\nlogin_session = a\n", login).await;
        assert_eq!(message, "the profile dev is one of aws login, which is not read");
        assert!(fix.contains("export-credentials --profile dev"), "{fix}");
    }

    #[tokio::test]
    async fn a_refusal_of_sso_names_the_account_and_the_role_of_the_profile() {
        const SSO: &str = "[profile dev]\nsso_session = corp\nsso_account_id = 42\nsso_role_name = admin\n";
        let answered = async |code: &str| {
            let metadata = ErrorMetadata::builder().code(code).message("No access").build();
            let answer = HttpResponse::new(403.try_into().unwrap(), "".into());
            let call = SdkError::service_error(GetRoleCredentialsError::generic(metadata), answer);
            explained_by(SSO, CredentialsError::provider_error(call)).await
        };
        let Explanation { message, fix } = answered("ForbiddenException").await;
        assert_eq!(
            message,
            "the user of the profile dev has no role admin in the account 42: sso answers ForbiddenException: No access"
        );
        assert!(fix.starts_with("correct sso_account_id and sso_role_name of the profile dev"), "{fix}");
        assert_eq!(answered("UnauthorizedException").await.fix, "run aws sso login --profile dev");
        let unknown = SdkError::<GetRoleCredentialsError, HttpResponse>::dispatch_failure(
            ConnectorError::io("dns error: no such name".into()),
        );
        let Explanation { message, fix } = explained_by(SSO, CredentialsError::provider_error(unknown)).await;
        assert!(message.contains("the host of sso is not known"), "{message}");
        assert!(fix.starts_with("check sso_region of the profile dev"), "{fix}");
    }
}
