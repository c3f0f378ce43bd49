//! What a process has used, from `/proc`.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The ticks in which Linux tells times to programs are these, whatever it counts in itself.
const TICK: Duration = Duration::from_millis(10);

/// The time that all threads of the process spent on a core, in the kernel and out of it.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name may hold anything, a bracket too.
    let (_, fields) = stat.rsplit_once(')').context("/proc/*/stat")?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next().context("utime")??, fields.next().context("stime")??);
    Ok(TICK * (user + system))
}

/// The memory that the process holds, in MiB.
pub(crate) fn resident_memory(process: u32) -> Result<f64> {
    status(process, "VmRSS:")
}

/// The most that it held since [`forget_peak`], in MiB.
pub(crate) fn peak_memory(process: u32) -> Result<f64> {
    status(process, "VmHWM:")
}

/// Lets the peak begin anew at what is held now.
pub(crate) fn forget_peak(process: u32) -> Result<()> {
    Ok(std::fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

fn status(process: u32, key: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = value.and_then(|value| value.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("/proc/*/status")?.parse()?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let own = std::process::id();
        while processor_time(own).unwrap().is_zero() {
            std::hint::spin_loop();
        }
        forget_peak(own).unwrap();
        assert!(resident_memory(own).unwrap() > 0.1);
        assert!(peak_memory(own).unwrap() > 0.1);
    }
}
