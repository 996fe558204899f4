"""Stage 5: does the service work again?"""
