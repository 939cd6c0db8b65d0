//! Cycles: one for each edge that leads back to where the walk came from.

/// The edges of each cycle, in order, by their numbers. Without the last edge of each there would be no cycle left.
///
/// `edges` are pairs of node numbers below `nodes`.
pub(super) fn find(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut leaving = vec![Vec::new(); nodes];
    for (number, (from, _)) in edges.iter().enumerate() {
        leaving[*from].push(number);
    }
    let mut seen = vec![false; nodes];
    let mut on_path = vec![false; nodes];
    let mut cycles = Vec::new();
    for root in 0..nodes {
        if seen[root] {
            continue;
        }
        // The nodes on the way from the root, each with how many of its edges were walked; and the edges between them.
        let mut path = vec![(root, 0)];
        let mut walked: Vec<usize> = Vec::new();
        (seen[root], on_path[root]) = (true, true);
        while let Some((node, next)) = path.last_mut() {
            let Some(&edge) = leaving[*node].get(*next) else {
                on_path[*node] = false;
                path.pop();
                walked.pop();
                continue;
            };
            *next += 1;
            let to = edges[edge].1;
            if on_path[to] {
                let start = path.iter().position(|(node, _)| *node == to).unwrap_or(0);
                cycles.push(walked[start..].iter().copied().chain([edge]).collect());
            } else if !seen[to] {
                (seen[to], on_path[to]) = (true, true);
                path.push((to, 0));
                walked.push(edge);
            }
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cycle_is_found_once_with_its_edges_in_order() {
        assert_eq!(find(4, &[(0, 1), (1, 2), (2, 0), (2, 3), (3, 3)]), [vec![0, 1, 2], vec![4]]);
        assert_eq!(find(3, &[(0, 1), (0, 2), (1, 2)]), [[0usize; 0]; 0]);
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let edges: Vec<_> = (0..200_000).map(|n| (n, (n + 1) % 200_000)).collect();
        assert_eq!(find(200_000, &edges).len(), 1);
    }
}
