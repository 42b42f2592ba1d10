//! `/proc/net/ip_vs_stats` (`ip_vs_stats_show`): the counters of a namespace, in hexadecimal.

use crate::Stats;

/// The third line has the totals, the sixth the rates; nothing if it is not so.
pub(crate) fn parse_total_stats(text: &str) -> Option<Stats> {
    let mut lines = text.lines();
    let numbers = |line: &str| -> Option<[u64; 5]> {
        let numbers: Option<Vec<u64>> =
            line.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16).ok()).collect();
        numbers?.try_into().ok()
    };
    let [connections, packets_in, packets_out, bytes_in, bytes_out] = numbers(lines.nth(2)?)?;
    let [
        connections_per_second,
        packets_in_per_second,
        packets_out_per_second,
        bytes_in_per_second,
        bytes_out_per_second,
    ] = numbers(lines.nth(2)?)?;
    Some(Stats {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
        connections_per_second,
        packets_in_per_second,
        packets_out_per_second,
        bytes_in_per_second,
        bytes_out_per_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded: `cat /proc/net/ip_vs_stats`, Linux 6.1.
    const RECORDED: &str = "   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      C8      61C      4B0            17D9A            1685E

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
      19       AF       7D             1E1C             1C5D
";

    #[test]
    fn the_counters_are_read() {
        let stats = parse_total_stats(RECORDED).unwrap();
        assert_eq!((stats.connections, stats.packets_in, stats.packets_out), (200, 1564, 1200));
        assert_eq!((stats.bytes_in, stats.bytes_out), (97690, 92254));
        assert_eq!((stats.connections_per_second, stats.bytes_out_per_second), (25, 7261));
    }

    #[test]
    fn other_text_is_none() {
        for text in ["", "1 2 3 4 5\n", RECORDED.trim_end_matches("1C5D\n"), &RECORDED.replace("C8", "G8")] {
            assert_eq!(parse_total_stats(text), None);
        }
    }
}
