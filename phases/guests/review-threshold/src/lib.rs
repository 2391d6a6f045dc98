//! A gate after a review: what it found must be good enough.
//!
//! **Belongs here:** the numbers and words of a review against those of the binding. **Never:** whether the review is right, or what becomes
//! of its findings (`extract-backlog`).
//!
//! **Pitfalls:** a review is a worker's words. One that does not have the form of a review in full, with a part missing or one more than
//! there is, is no answer: it must not pass for lack of something to dislike.

use orc_guest::prelude::*;
use orc_guest::text::shown;

/// Findings that are told one by one; the rest is counted.
const NAMED: usize = 20;

/// Bytes of a summary and of a path that are shown.
const SHOWN: usize = 200;

/// The best score that there is.
const BEST: u8 = 100;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewThresholdSettings {
    /// The least score that is good enough, 0 to 100.
    min_quality_score: u8,
    /// The most severe finding that may stay; `null`: any.
    max_severity: Option<Severity>,
    /// The words of compliance that are good enough.
    compliance: Vec<Compliance>,
}

impl Settings for ReviewThresholdSettings {
    fn problems(&self) -> Vec<String> {
        let score = (self.min_quality_score > BEST).then(|| format!("`min_quality_score` is {}: use 0 to {BEST}", self.min_quality_score));
        let compliance = self.compliance.is_empty().then(|| "`compliance` is empty: no review could pass".to_owned());
        let any_severity = self.max_severity.is_none_or(|max| max == Severity::Critical);
        let everything = self.min_quality_score == 0 && any_severity && Compliance::ALL.iter().all(|one| self.allows(*one));
        let everything = everything.then(|| "every score, finding and compliance is allowed: this judges nothing".to_owned());
        [score, compliance, everything].into_iter().flatten().collect()
    }
}

/// The words of a review's `compliance_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Compliance {
    Compliant,
    Conditional,
    NonCompliant,
}

impl Compliance {
    const ALL: [Self; 3] = [Self::Compliant, Self::Conditional, Self::NonCompliant];

    const fn word(self) -> &'static str {
        match self {
            Self::Compliant => "compliant",
            Self::Conditional => "conditional",
            Self::NonCompliant => "non_compliant",
        }
    }
}

/// A review, in full.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    security_findings: Vec<SecurityFinding>,
    quality_score: u8,
    compliance_status: Compliance,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecurityFinding {
    severity: Severity,
    summary: String,
    path: Option<String>,
}

/// The gate.
pub struct ReviewThreshold;

impl Gate for ReviewThreshold {
    type Settings = ReviewThresholdSettings;

    fn evaluate(_: &Facts, settings: &ReviewThresholdSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        let review: Review = documents.object("output")?;
        if review.quality_score > BEST {
            return Err(Declined::from(format!("the review's `quality_score` is {}; the best is {BEST}", review.quality_score)));
        }
        let severe = review.security_findings.iter().filter(|finding| settings.max_severity.is_some_and(|max| finding.severity > max));
        let severe: Vec<&SecurityFinding> = severe.collect();
        let mut findings: Vec<Finding> = settings.judge_words(&review).into_iter().flatten().collect();
        findings.extend(severe.iter().take(NAMED).map(|finding| finding.too_severe()));
        let report = Report::new(findings).note("quality_score", review.quality_score).note("compliance", review.compliance_status.word());
        let report = report.note("security_findings", review.security_findings.len()).note("too_severe", severe.len());
        Ok(report.into_verdict())
    }
}

impl ReviewThresholdSettings {
    fn allows(&self, compliance: Compliance) -> bool {
        self.compliance.contains(&compliance)
    }

    fn judge_words(&self, review: &Review) -> [Option<Finding>; 2] {
        let score = (review.quality_score < self.min_quality_score).then(|| {
            let message = format!("the review gives {} of {BEST}; {} are needed", review.quality_score, self.min_quality_score);
            Finding::new("quality-score", Severity::Medium, message).fix("mend what the review found")
        });
        let compliance = (!self.allows(review.compliance_status)).then(|| {
            let allowed: Vec<&str> = self.compliance.iter().map(|one| one.word()).collect();
            let message = format!("the review says `{}`; it must say {}", review.compliance_status.word(), allowed.join(" or "));
            Finding::new("compliance", Severity::High, message).fix("keep to what was asked and allowed")
        });
        [score, compliance]
    }
}

impl SecurityFinding {
    fn too_severe(&self) -> Finding {
        let message = format!("the review found something of severity {}: {}", self.severity, shown(&self.summary, SHOWN));
        let finding = Finding::new("security-finding", self.severity, message).fix("mend it");
        match &self.path {
            Some(path) => finding.at(shown(path, SHOWN)),
            None => finding,
        }
    }
}

orc_guest::gate!(ReviewThreshold);

#[cfg(test)]
mod tests;
