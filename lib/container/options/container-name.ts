/** What a container may be called, as docker has it. No path is such a name. */
export const CONTAINER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
