//! What a new password must be like (GB/T 22239-2019 8.1.4.1 a). Pure.
//!
//! Length and variety alone let `Admin@123` pass, so a password is also reduced to its core (lower
//! case, look-alike characters undone, digits and signs cut off both ends) and refused when the
//! core is a common word, a walk over the keyboard or the login itself.

use serde::{Deserialize, Serialize};

/// Rules that an operator may tighten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Fewest characters.
    pub shortest: usize,
    /// Fewest characters for whoever administers the platform.
    pub shortest_administrator: usize,
    /// How many of lower case, upper case, digits and signs there must be.
    pub classes: usize,
    /// A password may not be one of this many before it.
    pub remembered: usize,
    /// Days after which a password must be changed; 0 is never.
    pub days: i64,
    /// Where a password may still come in clear, inside TLS alone.
    pub in_clear: InClear,
}

/// Where a password may come in clear. Forms of the portal never take one so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InClear {
    /// From programs.
    #[default]
    Api,
    None,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            shortest: 8,
            shortest_administrator: 12,
            classes: 3,
            remembered: 5,
            days: 90,
            in_clear: InClear::default(),
        }
    }
}

/// Most characters of a password; hashing more would only cost time.
pub const LONGEST: usize = 128;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weak {
    /// Fewest characters there must be.
    Short(usize),
    Long,
    /// How many classes there must be.
    Uniform(usize),
    /// Holds the login.
    Login,
    /// A common password, or one made of a common word.
    Common,
    /// Neighbouring keys, counting, or one character again and again.
    Run,
    /// One of the last passwords.
    Used,
}

impl Weak {
    /// Stable; for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Short(_) => "password-too-short",
            Self::Long => "password-too-long",
            Self::Uniform(_) => "password-too-uniform",
            Self::Login => "password-holds-login",
            Self::Common => "password-common",
            Self::Run => "password-run",
            Self::Used => "password-used",
        }
    }

    /// What to do about it.
    pub fn message(self) -> String {
        match self {
            Self::Short(n) => format!("密码至少 {n} 位"),
            Self::Long => format!("密码至多 {LONGEST} 位"),
            Self::Uniform(n) => {
                format!("密码须包含大写字母、小写字母、数字、符号中的至少 {n} 类")
            }
            Self::Login => "密码不能包含用户名".into(),
            Self::Common => "这个密码太常见，容易被猜到，请换一个".into(),
            Self::Run => "密码不能由连续按键、连号或重复字符组成".into(),
            Self::Used => "不能使用最近用过的密码".into(),
        }
    }
}

/// Checks everything that can be told from the password itself.
pub fn check(
    policy: PasswordPolicy,
    administrator: bool,
    login: &str,
    password: &str,
) -> Result<(), Weak> {
    let shortest = if administrator {
        policy.shortest_administrator
    } else {
        policy.shortest
    };
    let length = password.chars().count();
    if length < shortest {
        return Err(Weak::Short(shortest));
    }
    if length > LONGEST {
        return Err(Weak::Long);
    }
    if classes(password) < policy.classes {
        return Err(Weak::Uniform(policy.classes));
    }
    let plain = plain(password);
    let login = self::plain(login);
    if login.chars().count() >= 3 && plain.contains(&login) {
        return Err(Weak::Login);
    }
    if is_run(&password.to_lowercase()) || is_run(&plain) {
        return Err(Weak::Run);
    }
    if is_common(password) {
        return Err(Weak::Common);
    }
    Ok(())
}

fn classes(password: &str) -> usize {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_lowercase(),
        |c| c.is_uppercase(),
        |c| c.is_numeric(),
        |c| !c.is_alphanumeric(),
    ];
    kinds.iter().filter(|is| password.chars().any(**is)).count()
}

/// Lower case, with look-alikes as the letters they stand for.
fn plain(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .map(|c| match c {
            '@' | '4' => 'a',
            '0' => 'o',
            '1' | '!' | '|' => 'i',
            '3' => 'e',
            '$' | '5' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

/// Rows and columns of the keyboard, and what people count in.
const ROWS: [&str; 9] = [
    "1234567890-=",
    "!@#$%^&*()_+",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "abcdefghijklmnopqrstuvwxyz",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "!qaz@wsx#edc$rfv%tgb^yhn&ujm*ik<(ol>)p:?",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// More than half of it walks along a row, forwards, backwards or on the spot.
fn is_run(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let walks = chars
        .windows(3)
        .filter(|three| {
            let three: String = three.iter().collect();
            let back: String = three.chars().rev().collect();
            let still = three.chars().all(|c| three.starts_with(c));
            still
                || ROWS
                    .iter()
                    .any(|row| row.contains(&three) || row.contains(&back))
        })
        .count();
    walks * 2 > chars.len().saturating_sub(2)
}

/// Words that lists of leaked passwords are made of.
const WORDS: [&str; 46] = [
    "password",
    "passwd",
    "pass",
    "passw",
    "admin",
    "administrator",
    "root",
    "user",
    "guest",
    "test",
    "demo",
    "login",
    "welcome",
    "letmein",
    "iloveyou",
    "loveyou",
    "love",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "master",
    "shadow",
    "sunshine",
    "princess",
    "superman",
    "batman",
    "trustno",
    "hello",
    "freedom",
    "whatever",
    "qwerty",
    "qwer",
    "qwe",
    "asdf",
    "asd",
    "zxcv",
    "zxc",
    "abc",
    "abcd",
    "woaini",
    "shanghai",
    "beijing",
    "china",
    "changeme",
    "secret",
];

fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    // Before and after undoing look-alikes: `p@ssw0rd1` ends in a digit, `passwordi` in a letter.
    [core(&lower), core(&plain(&core(&lower)))]
        .iter()
        .any(|core| {
            let halves = core.len() / 2;
            let twice = core.is_char_boundary(halves) && {
                let (a, b) = core.split_at(halves);
                a == b && WORDS.contains(&a)
            };
            core.is_empty() || twice || WORDS.contains(&core.as_str())
        })
}

/// Without the digits and signs at both ends.
fn core(text: &str) -> String {
    text.trim_matches(|c: char| !c.is_alphabetic() && c != '@' && c != '$')
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(password: &str) -> Result<(), Weak> {
        check(PasswordPolicy::default(), false, "lin.zhiyuan", password)
    }

    #[test]
    fn dj_01_length_and_variety() {
        assert_eq!(told("aB3$efg"), Err(Weak::Short(8)));
        assert_eq!(told("vornhelq"), Err(Weak::Uniform(3)));
        assert_eq!(told("vornhelq7"), Err(Weak::Uniform(3)));
        assert_eq!(told("Vornhelq7"), Ok(()));
        let policy = PasswordPolicy::default();
        assert_eq!(check(policy, true, "x", "Vornhelq7"), Err(Weak::Short(12)));
        assert_eq!(told(&format!("aB3{}", "x".repeat(200))), Err(Weak::Long));
        // Characters are counted, not bytes.
        assert_eq!(told("桥梁Ab1"), Err(Weak::Short(8)));
    }

    #[test]
    fn dj_01_the_login_is_no_password() {
        assert_eq!(told("Lin.Zhiyuan9"), Err(Weak::Login));
        assert_eq!(told("xL1n.Zh1yu4n"), Err(Weak::Login));
    }

    #[test]
    fn dj_01_runs_are_refused() {
        for run in [
            "Qwer1234!",
            "1qaz@WSX",
            "!QAZ2wsx",
            "Abcdefg1",
            "Aa111111",
            "Qwertyuiop1",
            "AAAaaa111",
            "Zxcvbnm,1",
            "Poiuytrewq1",
            "0987654321aB",
        ] {
            assert!(
                matches!(told(run), Err(Weak::Run | Weak::Common)),
                "{run}: {:?}",
                told(run)
            );
        }
    }

    #[test]
    fn dj_01_a_hundred_weak_passwords_are_refused() {
        let words = [
            "Password",
            "Passw0rd",
            "P@ssw0rd",
            "P@ssword",
            "Admin",
            "Adm1n",
            "Administrator",
            "Welcome",
            "W3lcome",
            "Letmein",
            "Iloveyou",
            "Monkey",
            "Dragon",
            "Football",
            "Master",
            "Shadow",
            "Sunshine",
            "Princess",
            "Superman",
            "Hello",
            "Woaini",
            "Shanghai",
            "Beijing",
            "China",
            "Changeme",
        ];
        let ends = ["123!", "@123456", "2026!", "#1234567"];
        let mut count = 0;
        for word in words {
            for end in ends {
                let weak = format!("{word}{end}");
                assert!(told(&weak).is_err(), "{weak}");
                count += 1;
            }
        }
        assert_eq!(count, 100);
    }

    #[test]
    fn good_ones_pass() {
        for good in [
            "correct-Horse-battery-7",
            "x9#Kq2!vLm",
            "桥上有风Ab12x!",
            "tR4in_to_Hefei",
            "Nine9lamps%over",
        ] {
            assert_eq!(told(good), Ok(()), "{good}");
        }
    }
}
