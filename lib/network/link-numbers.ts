/**
 * The first of the numbers of links, and of link groups, that are ours: smaller ones are left to the kernel and the administrator, who count
 * from the bottom.
 */
export const FIRST_OWN_NUMBER = 2 ** 30;
