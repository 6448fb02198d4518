// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Ascending order of addresses
/// @dev Heapsort: n log n whatever the input is, so that nobody's choice of addresses makes a view unreadable.
library Sorting {
    /// @notice Sorts the first `count` elements in place.
    function sort(address[] memory items, uint256 count) internal pure {
        for (uint256 root = count / 2; root > 0; --root) {
            _siftDown(items, root - 1, count);
        }
        for (uint256 end = count; end > 1; --end) {
            (items[0], items[end - 1]) = (items[end - 1], items[0]);
            _siftDown(items, 0, end - 1);
        }
    }

    /// @dev Moves the element at `root` down until no child below `end` is larger.
    function _siftDown(address[] memory items, uint256 root, uint256 end) private pure {
        while (true) {
            uint256 child = 2 * root + 1;
            if (child >= end) return;
            if (child + 1 < end && items[child] < items[child + 1]) ++child;
            if (items[root] >= items[child]) return;
            (items[root], items[child]) = (items[child], items[root]);
            root = child;
        }
    }
}
