// The Worker of the package edgetoll, and its Durable Objects.
export { default } from 'edgetoll';
export * from 'edgetoll';
